import type { Command, Option, OptionValues } from "@commander-js/extra-typings";
import { DEFAULT_LIMITS } from "../default-limits.ts";
import { flag } from "./command-line/flag.ts";
import { duration, size, subjectToken, text, wholeNumber } from "./command-line/values.ts";

/** Adds the flags of every driver's settings: its Docker, and the limits of its steps. */
export function withSettingsFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  { usesDocker = true }: { usesDocker?: boolean | undefined } = {},
) {
  const limited = command
    .addOption(
      flag("--docker <endpoint>", "where Docker is", text).default(undefined, "where docker itself finds it"),
    )
    .addOption(
      flag("--host-id <name>", "name of Docker's host in the fleet", subjectToken).default(
        undefined,
        "from the daemon",
      ),
    )
    .addOption(
      flag("--slots <n>", "containers at once on this host", wholeNumber(1)).default(
        undefined,
        "number of CPUs",
      ),
    )
    .addOption(
      flag("--grace <time>", "from TERM to KILL in a container; a build may ask for less", duration).default(
        DEFAULT_LIMITS.graceMs,
        "10s",
      ),
    )
    .addOption(
      flag("--min-free <size>", "take no new run with less disk than this", size).default(
        2 * 1024 ** 3,
        "2g",
      ),
    )
    .addOption(flag("--max-timeout <time>", "longest time a step may take, or a build ask for", duration))
    .addOption(
      flag("--max-log <size>", "most log kept of a step", size).default(DEFAULT_LIMITS.maxLogBytes, "1g"),
    )
    .addOption(
      flag(
        "--max-log-lines <n>",
        "log lines a second of a step: a build that prints more waits",
        wholeNumber(1),
      )
        .default(undefined, "as many as the store takes"),
    )
    .addOption(
      flag("--max-artifacts <size>", "most artifacts kept of a run", size).default(
        DEFAULT_LIMITS.maxArtifactBytes,
        "2g",
      ),
    )
    .addOption(
      flag("--max-artifact-files <n>", "most artifacts kept of a run, however small", wholeNumber(0))
        .default(
          DEFAULT_LIMITS.maxArtifactFiles,
        ),
    );
  if (!usesDocker) forget(limited, ONLY_DOCKER);
  return limited;
}

/** Flags without effect on a driver that uses no containers; it has their defaults. */
const ONLY_DOCKER = ["--docker", "--slots", "--grace", "--min-free"];

function forget(command: { readonly options: readonly Option[] }, flags: readonly string[]): void {
  const options = command.options as Option[];
  options.splice(0, Infinity, ...options.filter(({ long }) => !flags.includes(long ?? "")));
}

/** The parsed values of these flags. Times are milliseconds, sizes bytes. */
// deno-lint-ignore ban-types
export type SettingsOptions = ReturnType<ReturnType<typeof withSettingsFlags<[], {}, {}>>["opts"]>;
