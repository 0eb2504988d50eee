import type { Driver } from "../driver.ts";
import { environment } from "./command-line/environment.ts";
import { startProcessLog } from "./command-line/process-log.ts";
import type { DescribedDriver } from "./described-driver.ts";
import type { DriverOptions } from "./driver-flags.ts";
import { reachDocker } from "./reach-docker.ts";
import { openStopSignal } from "./stop/stop-signal.ts";
import { withoutDocker } from "./without-docker.ts";

export interface StartDriver {
  readonly load: () => Promise<Driver>;
  /** Has the same effect as the first signal of the process. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * Loads the driver and runs one instance of it until the first signal of the process, or until `stop` aborts.
 * Docker takes longest to answer, so it is asked before the rest is loaded. Throws InputError,
 * UnavailableError.
 */
export async function startDriver(
  { usesDocker = true }: DescribedDriver,
  options: DriverOptions,
  { load, stop }: StartDriver,
): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  using stopping = openStopSignal(
    "Left at once; what was in hand goes to another instance after the ack wait",
  );
  const signal = stop ? AbortSignal.any([stopping.signal, stop]) : stopping.signal;
  await using reaching = usesDocker
    ? reachDocker({ endpoint: options.docker, environment, signal })
    : withoutDocker();
  await reaching.asked;
  const { runDriver } = await import("./run-driver.ts");
  await runDriver(await load(), options, { docker: reaching.answer, signal });
}
