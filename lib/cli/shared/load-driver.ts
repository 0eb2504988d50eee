import { createRequire } from "node:module";
import { extname, isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InputError, messageOf } from "../../base/errors.ts";
import { checkNames } from "../../driver/define.ts";
import type { Driver } from "../../driver/driver.ts";

/**
 * Loads the drivers that the operator named: files, or packages resolved from the current folder. Each module
 * must export exactly one driver. Throws InputError.
 */
export async function loadDrivers(named: readonly string[] = []): Promise<Driver[]> {
  const drivers = await Promise.all(named.map(loadDriver));
  const names = drivers.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new InputError(`--driver: Two drivers have the name "${twice}": expected one`);
  }
  return drivers;
}

async function loadDriver(named: string): Promise<Driver> {
  const exported: unknown[] = await import(addressOf(named)).then(Object.values, (error) => {
    throw new InputError(`--driver: "${named}" cannot be loaded: ${messageOf(error)}`, { cause: error });
  });
  const drivers = [...new Set(exported.map(driverIn).filter((driver) => driver !== undefined))];
  const [driver] = drivers;
  if (!driver || drivers.length > 1) {
    const found = drivers.length === 0 ? "none" : drivers.map(({ name }) => `"${name}"`).join(", ");
    throw new InputError(`--driver: "${named}" exports ${found}: expected one driver, made by defineDriver`);
  }
  checkNames(driver);
  return driver;
}

function addressOf(named: string): string {
  const isFile = named.startsWith(".") || isAbsolute(named) || extname(named) !== "";
  if (isFile) return pathToFileURL(resolve(named)).href;
  try {
    const here = createRequire(pathToFileURL(resolve("driver.js")));
    return pathToFileURL(here.resolve(named)).href;
  } catch (error) {
    throw new InputError(
      `--driver: There is no package "${named}" here: expected one that is installed, or a file like ./${named}.ts`,
      { cause: error },
    );
  }
}

/** Returns the value if it is a driver, or the driver of a `DriverManager`. */
function driverIn(value: unknown): Driver | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("driver" in value && "run" in value) return driverIn(value.driver);
  const { name, resources, reconcile } = value as Partial<Driver>;
  const isDriver = typeof name === "string" && Array.isArray(resources) && typeof reconcile === "function";
  return isDriver ? value as Driver : undefined;
}
