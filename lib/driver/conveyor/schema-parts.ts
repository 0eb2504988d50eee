/** A driver's part of the spec of a resource type that another driver defines: `spec.drivers.<driver>`. */
export interface Part {
  readonly driver: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** Returns the JSON Schema of a spec with the part added or replaced. */
export function withPart(schema: unknown, { driver, schema: part }: Part): Record<string, unknown> {
  return withParts(schema, { ...partsOf(schema), [driver]: part });
}

/** Returns our schema with the parts that other drivers have added to the known one. */
export function withPartsOf(
  known: unknown,
  schema: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const parts = { ...partsOf(known), ...partsOf(schema) };
  return Object.keys(parts).length === 0 ? { ...schema } : withParts(schema, parts);
}

const partsOf = (schema: unknown): Record<string, unknown> =>
  member(member(member(schema, "properties"), "drivers"), "properties");

function withParts(schema: unknown, parts: Record<string, unknown>): Record<string, unknown> {
  const properties = member(schema, "properties");
  const drivers = member(properties, "drivers");
  return {
    ...Object(schema),
    properties: { ...properties, drivers: { type: "object", ...drivers, properties: parts } },
  };
}

function member(value: unknown, key: string): Record<string, unknown> {
  const found: unknown = typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
  return typeof found === "object" && found !== null ? { ...found } : {};
}
