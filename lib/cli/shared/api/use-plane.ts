import { UnavailableError } from "../../../base/errors.ts";
import { environment } from "../../../driver/program/command-line/environment.ts";
import { startProcessLog } from "../../../driver/program/command-line/process-log.ts";
import { findPlane } from "../runs/open-runs.ts";
import type { InspectOptions } from "../runs/use-runs.ts";
import type { Api } from "./call.ts";

/**
 * Returns the control plane that the flags name, or the one on this machine. The process's own log goes to
 * stderr. Throws InputError, and UnavailableError if there is none.
 */
export async function usePlane(options: InspectOptions): Promise<Api> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  const plane = await findPlane(options, environment);
  if (plane) return plane;
  throw new UnavailableError("No control plane serves the data folder of this machine", {
    hint: 'Start one with "flutter-ci up", or say where it is with --api',
  });
}
