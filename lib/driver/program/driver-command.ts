import type { Driver } from "../driver.ts";
import { newCommand, VARIABLES_NOTE } from "./command-line/command.ts";
import type { DescribedDriver } from "./described-driver.ts";
import { withDriverFlags } from "./driver-flags.ts";

export interface DriverProgram {
  /** The command as typed: `container-start`, or `flutter-ci container-start`. */
  readonly path: string;
  /** The driver's properties that are known before it is loaded. */
  readonly driver: DescribedDriver;
  /** Loads the driver when it is needed. */
  readonly load: () => Promise<Driver>;
  /** Has the same effect as the first signal of the process. */
  readonly stop?: AbortSignal | undefined;
}

/** The command that runs one driver until it is told to stop. */
export function driverCommand({ path, driver, load, stop }: DriverProgram) {
  const title = titleOf(driver.name);
  const command = newCommand({
    path,
    summary: `Start the ${title} Driver`,
    description:
      `Start the ${title} Driver: one process is one instance, and any number of them share the work.\n` +
      "The first signal makes it take no more work and finish what it has in hand; a second one ends it at once.",
    examples: [
      ["Work for a broker and a control plane on this machine", path],
      [
        "Work for a fleet",
        `${path} --nats nats://broker.example.com:4222 --nats-creds driver.creds --api https://ci.example.com --token-file token`,
      ],
    ],
  });
  return withDriverFlags(command, driver)
    .addHelpText("after", HEALTH_NOTE + VARIABLES_NOTE)
    .action(async (options) => {
      const { startDriver } = await import("./start-driver.ts");
      await startDriver(driver, options, { load, stop });
    });
}

const HEALTH_NOTE =
  "\n/healthz answers 200 as long as the process lives; /readyz 200 when it takes events, else 503 and why. A host that is\n" +
  "full is ready: it takes the next run when there is room, and conveyor_full_seconds of /metrics says how long there was none.\n";

const titleOf = (name: string): string =>
  name.split("-").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ");
