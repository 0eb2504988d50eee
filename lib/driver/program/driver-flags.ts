import type { DescribedDriver } from "./described-driver.ts";
import type { Command, OptionValues } from "@commander-js/extra-typings";
import { natsFlag, waitFlag, withLoginFlags } from "./broker/broker-flags.ts";
import { logFormatFlag, logLevelFlag } from "./command-line/command.ts";
import { flag, listFlag } from "./command-line/flag.ts";
import {
  duration,
  hostPort,
  httpUrl,
  oneOf,
  size,
  subjectToken,
  text,
  wholeNumber,
} from "./command-line/values.ts";
import { withPolicyFlags } from "./policy-flags.ts";
import { withSettingsFlags } from "./settings-flags.ts";

/** The flags of a driver's program. */
export function withDriverFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  { resources, usesDocker, policy }: DescribedDriver,
) {
  const withBroker = command.addOption(
    natsFlag().default(["nats://127.0.0.1:4222"], "nats://127.0.0.1:4222"),
  );
  const withLogin = withLoginFlags(withBroker).addOption(waitFlag());
  return withPolicyFlags(withSettingsFlags(withLogin, { usesDocker }), policy)
    .addOption(flag("--api <url>", "control plane", httpUrl).default("http://127.0.0.1:8080"))
    .addOption(
      flag("--token-file <file>", "file that holds the control plane's token (or CONVEYOR_TOKEN)", text),
    )
    .addOption(
      flag(
        "--register <when>",
        "define the resource types at a Conveyor server: never, where they are missing, or always",
        oneOf(["never", "missing", "always"]),
      ).default("missing" as const),
    )
    .addOption(
      listFlag("--resource <name>", "resource type to handle, repeatable", subjectToken)
        .default(undefined, resources.join(", ")),
    )
    .addOption(flag("--concurrency <n>", "steps at once in this process", wholeNumber(1)).default(1))
    .addOption(
      flag(
        "--ack-wait <time>",
        "how long a silent instance keeps an event; the longest counts, of all instances and of flutter-ci up",
        duration,
      ).default(30_000, "30s"),
    )
    .addOption(
      flag(
        "--max-event-age <time>",
        "fail events of a Conveyor server unseen that have waited longer",
        duration,
      )
        .default(7 * 86_400_000, "7d"),
    )
    .addOption(
      flag("--keep-artifacts <time>", "how long artifacts stay on a Conveyor server's broker", duration)
        .default(30 * 86_400_000, "30d"),
    )
    .addOption(
      flag("--max-stored <size>", "past this, that broker removes the oldest artifacts", size)
        .default(10 * 1024 ** 3, "10g"),
    )
    .addOption(
      flag("--drain <time>", "how long to finish what is in hand when told to stop", duration).default(
        3_600_000,
        "1h",
      ),
    )
    .addOption(
      flag("--health <host:port>", "serve /healthz, /readyz and /metrics here", hostPort).default(
        undefined,
        "off",
      ),
    )
    .addOption(logLevelFlag())
    .addOption(logFormatFlag());
}

/** The parsed values of these flags. Times are milliseconds, sizes bytes. */
// deno-lint-ignore ban-types
export type DriverOptions = ReturnType<ReturnType<typeof withDriverFlags<[], {}, {}>>["opts"]>;
