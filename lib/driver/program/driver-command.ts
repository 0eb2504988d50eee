import type { Driver } from "../driver.ts";
import { logFormatFlag, logLevelFlag, newCommand, VARIABLES_NOTE } from "./command-line/command.ts";
import { flag, listFlag } from "./command-line/flag.ts";
import {
  duration,
  hostPort,
  httpUrl,
  oneOf,
  subjectToken,
  text,
  wholeNumber,
} from "./command-line/values.ts";
import { natsFlag, withLoginFlags } from "./broker/broker-flags.ts";
import { withLimitFlags } from "./limit-flags.ts";

export interface DriverProgram {
  /** What is typed to reach it: `container-start`, or `flutter-ci container-start`. */
  readonly path: string;
  /** The driver itself, once it is needed. */
  readonly load: () => Promise<Driver>;
  /** Means the same as the first signal of the process. */
  readonly stop?: AbortSignal | undefined;
}

/** The command that runs one driver until it is told to stop. */
export function driverCommand(name: string, { path, load, stop }: DriverProgram) {
  const command = newCommand({
    path,
    summary: `Start the ${titleOf(name)} Driver`,
    description:
      `Start the ${
        titleOf(name)
      } Driver: one process is one instance, and any number of them share the work.\n` +
      "The first signal makes it take no more work and finish what it has in hand; a second one ends it at once.",
    examples: [
      ["Work for a broker and a control plane on this machine", path],
      [
        "Work for a fleet",
        `${path} --nats nats://broker.example.com:4222 --nats-creds driver.creds --api https://ci.example.com --token-file token`,
      ],
    ],
  });
  const withBroker = command.addOption(
    natsFlag().default(["nats://127.0.0.1:4222"], "nats://127.0.0.1:4222"),
  );
  return withLimitFlags(withLoginFlags(withBroker))
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
        .default(undefined, "flutter-builder"),
    )
    .addOption(flag("--concurrency <n>", "steps at once in this process", wholeNumber(1)).default(1))
    .addOption(
      flag("--ack-wait <time>", "how long a silent instance keeps an event", duration).default(30_000, "30s"),
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
    .addOption(logFormatFlag())
    .addHelpText("after", HEALTH_NOTE + VARIABLES_NOTE)
    .action(async (options) => {
      const { runDriver } = await import("./run-driver.ts");
      await runDriver(await load(), options, { stop });
    });
}

/** The flags of a driver, read. Times are milliseconds, sizes bytes. */
export type DriverOptions = ReturnType<ReturnType<typeof driverCommand>["opts"]>;

const HEALTH_NOTE =
  "\n/healthz answers 200 as long as the process lives; /readyz 200 when it takes events, else 503 and why. A host that is\n" +
  "full is ready: it takes the next run when there is room, and conveyor_full_seconds of /metrics says how long there was none.\n";

const titleOf = (name: string): string =>
  name.split("-").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ");
