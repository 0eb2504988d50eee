import type { Driver } from "../../driver/driver.ts";

/** The build drivers by name, each loaded on demand. */
export type Drivers = Readonly<Record<string, () => Promise<Driver>>>;
