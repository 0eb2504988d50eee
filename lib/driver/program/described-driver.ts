import type { Driver } from "../driver.ts";

/** The properties from which the flags of a driver's program are made. */
export type DescribedDriver = Pick<Driver, "name" | "resources" | "usesDocker" | "policy">;
