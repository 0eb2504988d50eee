import type { Driver } from "../driver.ts";

/** The properties from which the flags of a driver's program are made. */
export type DescribedDriver = Pick<Driver, "name" | "resources" | "usesDocker" | "policy">;

/** How a driver's program runs. It is here so that the package's types do not depend on a command line's. */
export interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  readonly version?: string;
}
