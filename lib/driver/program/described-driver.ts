import type { Driver } from "../driver.ts";

/** What the flags of a driver's program are made from. */
export type DescribedDriver = Pick<Driver, "name" | "resources" | "usesDocker" | "policy">;
