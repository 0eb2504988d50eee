import { z } from "zod";

/** The part of a JSON Schema that names an object's keys. */
interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** Returns the keys that a schema knows for the object at a path; empty if it takes any. */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes: readonly Node[] = [z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node];
  for (const step of path) {
    nodes = nodes.flatMap(alternatives).flatMap(({ properties, items }) => {
      const next = typeof step === "number" ? items : properties?.[String(step)];
      return next ? [next] : [];
    });
  }
  return nodes.flatMap(alternatives).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

const alternatives = (node: Node): Node[] => [node, ...(node.anyOf ?? []).flatMap(alternatives)];
