import { InputError } from "../base/errors.ts";
import { token } from "../wire/resource.ts";
import type { Driver } from "./driver.ts";

/**
 * The driver, once its names have been found good. Throws InputError: a name and a resource type become parts of subjects
 * and names of consumers, so they are made of letters, digits, `-` and `_`.
 */
export function defineDriver(driver: Driver): Driver {
  checkToken("driver name", driver.name);
  if (driver.resources.length === 0) {
    throw new InputError(`Driver "${driver.name}" handles nothing: expected at least one resource type`);
  }
  for (const resource of driver.resources) checkToken("resource type", resource);
  const twice = driver.resources.find((resource, i) => driver.resources.indexOf(resource) !== i);
  if (twice !== undefined) {
    throw new InputError(`Driver "${driver.name}" names resource type "${twice}" twice: expected each once`);
  }
  return driver;
}

function checkToken(what: string, name: string): void {
  const checked = token.safeParse(name);
  if (checked.success) return;
  throw new InputError(`Invalid ${what} "${name}": ${checked.error.issues[0]?.message}`);
}
