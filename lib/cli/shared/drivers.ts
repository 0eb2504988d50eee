import type { Driver } from "../../driver/driver.ts";

/** The build drivers by name, each loaded when it is needed. */
export type Drivers = Readonly<Record<string, () => Promise<Driver>>>;
