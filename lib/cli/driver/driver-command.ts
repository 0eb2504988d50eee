import type { Driver } from "../../driver/driver.ts";
import { logFormatFlag, logLevelFlag, newCommand, VARIABLES_NOTE } from "../command.ts";
import { flag, listFlag, switchFlag } from "../flag.ts";
import {
  brokerUrls,
  duration,
  hostFile,
  hostPort,
  httpUrl,
  positiveNumber,
  size,
  subjectToken,
  text,
  wholeNumber,
} from "../values.ts";

export interface DriverProgram {
  /** What is typed to reach it: `container-start`, or `flutter-ci container-start`. */
  readonly path: string;
  /** The driver itself, once it is needed. */
  readonly load: () => Promise<Driver>;
}

/** The command that runs one driver until it is told to stop. */
export function driverCommand(name: string, { path, load }: DriverProgram) {
  return newCommand({
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
  })
    .addOption(
      flag("--nats <urls>", "broker; several addresses are separated by commas", brokerUrls)
        .default(["nats://127.0.0.1:4222"], "nats://127.0.0.1:4222"),
    )
    .addOption(flag("--nats-creds <file>", "credentials file for the broker", text))
    .addOption(flag("--nats-user <name>", "user of the broker, with --nats-password-file", text))
    .addOption(flag("--nats-password-file <file>", "file that holds the user's password", text))
    .addOption(flag("--api <url>", "control plane", httpUrl).default("http://127.0.0.1:8080"))
    .addOption(
      flag("--token-file <file>", "file that holds the control plane's token (or CONVEYOR_TOKEN)", text),
    )
    .addOption(flag("--tls-ca <file>", "authorities to trust, PEM", text))
    .addOption(flag("--tls-cert <file>", "certificate to show, PEM", text))
    .addOption(flag("--tls-key <file>", "its key, PEM", text))
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
      listFlag("--resource <name>", "resource type to handle, repeatable", subjectToken)
        .default(undefined, "flutter-builder"),
    )
    .addOption(flag("--concurrency <n>", "steps at once in this process", wholeNumber(1)).default(1))
    .addOption(
      flag("--slots <n>", "containers at once on this host", wholeNumber(1)).default(
        undefined,
        "number of CPUs",
      ),
    )
    .addOption(
      flag("--ack-wait <time>", "how long a silent instance keeps an event", duration).default(30_000, "30s"),
    )
    .addOption(flag("--grace <time>", "from TERM to KILL in a container", duration).default(10_000, "10s"))
    .addOption(
      flag("--drain <time>", "how long to finish what is in hand when told to stop", duration).default(
        3_600_000,
        "1h",
      ),
    )
    .addOption(
      flag("--min-free <size>", "take no new run with less disk than this", size).default(
        2 * 1024 ** 3,
        "2g",
      ),
    )
    .addOption(
      flag("--health <host:port>", "serve /healthz, /readyz and /metrics here", hostPort).default(
        undefined,
        "off",
      ),
    )
    .addOption(
      listFlag("--allow-image <glob>", "only images like this one, repeatable", text).default(
        undefined,
        "all",
      ),
    )
    .addOption(listFlag("--allow-network <name>", "network that a build may ask for, repeatable", text))
    .addOption(listFlag("--allow-env <name>", "own variable that a build may read, repeatable", text))
    .addOption(switchFlag("--allow-privileged", "let a build ask for a privileged container"))
    .addOption(flag("--max-cpus <n>", "most CPUs a build may ask for", positiveNumber))
    .addOption(flag("--max-memory <size>", "most memory a build may ask for", size))
    .addOption(flag("--max-timeout <time>", "longest time a build may ask for", duration))
    .addOption(flag("--max-log <size>", "log kept of a step", size).default(1024 ** 3, "1g"))
    .addOption(flag("--max-artifacts <size>", "artifacts kept of a build", size).default(2 * 1024 ** 3, "2g"))
    .addOption(
      listFlag(
        "--git-token <host=file>",
        "token, or ssh key, for repositories on that host only, repeatable",
        hostFile,
      ),
    )
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText("after", VARIABLES_NOTE)
    .action(async (options) => {
      const { runDriver } = await import("./run-driver.ts");
      await runDriver(await load(), options);
    });
}

/** The flags of a driver, read. Times are milliseconds, sizes bytes. */
export type DriverOptions = ReturnType<ReturnType<typeof driverCommand>["opts"]>;

const titleOf = (name: string): string =>
  name.split("-").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ");
