import type { Command, OptionValues } from "@commander-js/extra-typings";
import { InputError } from "../../base/errors.ts";
import { natsFlag, waitFlag, withLoginFlags } from "../../driver/program/broker/broker-flags.ts";
import { logFormatFlag, logLevelFlag } from "../../driver/program/command-line/command.ts";
import { flag, listFlag } from "../../driver/program/command-line/flag.ts";
import {
  duration,
  hostPort,
  oneOf,
  subjectToken,
  text,
  wholeNumber,
} from "../../driver/program/command-line/values.ts";
import { type Role, ROLES } from "../../engine/http/router.ts";
import { withPolicyFlags } from "../../driver/program/policy-flags.ts";
import { withSettingsFlags } from "../../driver/program/settings-flags.ts";
import { BUILD_POLICY } from "../../build/policy-flags.ts";

const DAYS_30 = 30 * 86_400_000;

/** Adds the flags of `up`. `drivers`: the names of those that it may start. */
export function withUpFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  drivers: readonly string[],
) {
  const served = command
    .addOption(
      natsFlag().default(undefined, "none: one process"),
    )
    .addOption(
      flag("--drivers <names>", "all, none, or names separated by commas", driverNames(drivers))
        .default([...drivers], "all"),
    )
    .addOption(
      listFlag("--driver <file|package>", "driver of your own, started beside those, repeatable", text),
    )
    .addOption(
      flag("--listen <host:port>", "serve HTTP here", hostPort).default(
        { host: "127.0.0.1", port: 8080 },
        "127.0.0.1:8080",
      ),
    )
    .addOption(
      flag("--data <dir>", "state, token and history", text).default(undefined, "$XDG_STATE_HOME/flutter-ci"),
    )
    .addOption(
      flag("--replicas <n>", "copies of each stream in a cluster", oneOf(["1", "3"])).default("1" as const),
    )
    .addOption(
      flag("--keep-runs <time[,n]>", "how long ended runs are kept, and how many of them at most", keepRuns)
        .default({ ms: DAYS_30, count: Infinity }, "30d"),
    )
    .addOption(flag("--keep-logs <time>", "how long logs are kept", duration).default(DAYS_30, "30d"))
    .addOption(
      listFlag(
        "--foreign-driver <name>",
        "driver that claims and signs nothing, as Conveyor's own (repeatable): whoever may publish can answer for it",
        subjectToken,
      ),
    )
    .addOption(
      flag("--max-queued <time>", "how long a step may wait for a driver to take it", duration)
        .default(86_400_000, "24h"),
    )
    .addOption(
      flag("--max-runs <n>", "runs that have not ended, at most; further ones get 429", wholeNumber(1))
        .default(10_000),
    )
    .addOption(
      flag("--max-runs-each <n>", "the same for the runs of one token", wholeNumber(1))
        .default(undefined, "as many as --max-runs"),
    )
    .addOption(flag("--cors <origin>", "let pages of this origin call from a browser", origin))
    .addOption(
      listFlag(
        "--token-file <file>",
        "file that holds the token (or CONVEYOR_TOKEN); as NAME:ROLE=FILE, repeatable, a further one that may only read, submit, or admin",
        tokenFile,
      ).default(undefined, "made at the first start, in the data folder"),
    )
    .addOption(
      flag("--ack-wait <time>", "after how long of silence another instance takes a step", duration)
        .default(30_000, "30s"),
    )
    .addOption(
      flag("--drain <time>", "how long to finish what is in hand when told to stop", duration).default(
        3_600_000,
        "1h",
      ),
    );
  return withPolicyFlags(withSettingsFlags(withLoginFlags(served).addOption(waitFlag())), BUILD_POLICY)
    .addOption(logLevelFlag())
    .addOption(logFormatFlag());
}

/** The parsed flags of `up`. Times are milliseconds, sizes bytes. */
// deno-lint-ignore ban-types
export type UpOptions = ReturnType<ReturnType<typeof withUpFlags<[], {}, {}>>["opts"]>;

/** Parses a time, with a number behind a comma if there is a limit: `30d,1000`. */
function keepRuns(value: string): { readonly ms: number; readonly count: number } {
  const [time = "", ...counts] = value.split(",");
  if (counts.length > 1) {
    throw new InputError(`Invalid value "${value}": expected a time, or a time and a number like 30d,1000`);
  }
  return { ms: duration(time), count: counts.length === 0 ? Infinity : wholeNumber(0)(counts[0] ?? "") };
}

/** Parses `all`, `none`, or a list of names. */
const driverNames = (known: readonly string[]) => (value: string): string[] => {
  if (value === "all") return [...known];
  if (value === "none") return [];
  const names = value.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return [...new Set(names)];
  throw new InputError(`Unknown driver "${unknown}": expected all, none, or some of ${known.join(", ")}`);
};

/** A token's file, and what the token is called and allows; the control plane's own has no name. */
export interface TokenFile {
  readonly name?: string;
  readonly role: Role;
  readonly file: string;
}

/** Submitters without a named token: the control plane's own, and all who sign with a certificate. */
const RESERVED_NAMES = ["own", "certificates"];

function tokenFile(value: string): TokenFile {
  const [, name, word, file] = /^([\w.-]+):([^=/]*)=(.+)$/.exec(value) ?? [];
  if (name === undefined || file === undefined) return { role: "admin", file: value };
  if (RESERVED_NAMES.includes(name)) {
    throw new InputError(`Invalid name "${name}" in "${value}": expected another one, since it is taken`);
  }
  const role = ROLES.find((known) => known === word);
  if (role) return { name, role, file };
  throw new InputError(`Invalid role "${word}" in "${value}": expected ${ROLES.join(", ")}`);
}

/** Parses an origin as a browser sends it. */
function origin(value: string): string {
  const url = URL.parse(value);
  if (url && url.origin !== "null" && url.origin === value.replace(/\/$/, "")) return url.origin;
  throw new InputError(`Invalid origin "${value}": expected one like https://ci.example.com`);
}
