import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { ConflictError, type Store } from "../../backend/store.ts";
import type { Driver } from "../../driver/driver.ts";
import { MADE_BY } from "../../driver/conveyor/register-resources.ts";
import { withPart, withPartsOf } from "../../driver/conveyor/schema-parts.ts";
import type { StoredDefinition } from "../../wire/stored.ts";

type Facts = Omit<StoredDefinition, "id">;
type Registering = Pick<Driver, "name" | "resources" | "schema" | "part" | "pipeline">;

/**
 * Registers the resource types of a control plane's own drivers: types with a schema, then the parts that
 * drivers add to the types of others. Definitions that users have made are left as they are.
 */
export async function registerTypes(
  { definitions }: Pick<Store, "definitions">,
  { builtIn, own }: { builtIn: Registering; own: readonly Registering[] },
): Promise<void> {
  await registerType(definitions, builtIn);
  for (const driver of own) if (driver.schema) await registerType(definitions, driver);
  for (const driver of own) if (driver.part) await registerPart(definitions, driver);
}

type Definitions = Store["definitions"];

async function registerType(definitions: Definitions, driver: Registering): Promise<void> {
  const schema = usable(driver, driver.schema);
  if (!schema) return;
  for (const name of driver.resources) {
    await change(definitions, name, (known) => {
      if (known && !isOurs(known)) return undefined;
      return {
        name,
        description: MADE_BY + driver.name,
        version: "1",
        drivers: [...driver.pipeline ?? [driver.name]],
        schema: withPartsOf(known?.schema, schema),
      };
    });
  }
}

async function registerPart(definitions: Definitions, driver: Registering): Promise<void> {
  const part = usable(driver, driver.part);
  if (!part) return;
  for (const name of driver.resources) {
    await change(definitions, name, (known) => {
      if (!known || !isOurs(known)) return undefined;
      const { schemaText: _, ...rest } = known;
      return { ...rest, schema: withPart(known.schema, { driver: driver.name, schema: part }) };
    });
  }
}

const isOurs = ({ description = "" }: StoredDefinition): boolean => description.startsWith(MADE_BY);

/** Stores what `next` makes of a definition; undefined leaves it. Another replica may do the same. */
async function change(
  definitions: Definitions,
  name: string,
  next: (known: StoredDefinition | undefined) => Facts | undefined,
): Promise<void> {
  for (;;) {
    const found = await definitions.get(name);
    const facts = next(found?.value);
    if (!facts) return;
    const value = { ...facts, id: found?.value.id || randomUUID() };
    if (isDeepStrictEqual(value, found?.value)) return;
    try {
      await definitions.put(name, value, found?.revision ?? 0);
      return;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

/** Returns a driver's schema, or undefined, with a line in the process log, if it cannot be used. */
function usable(
  driver: Registering,
  make: (() => Record<string, unknown>) | undefined,
): Record<string, unknown> | undefined {
  try {
    return make?.();
  } catch (error) {
    processLog("up").warn("Cannot register the resource types of driver {driver}: {why}", {
      driver: driver.name,
      why: messageOf(error),
    });
    return undefined;
  }
}
