import { z } from "zod";
import { InputError, messageOf } from "../../../base/errors.ts";
import { BuildSpec } from "../../../build/spec.ts";
import { parseYaml, refuseRounded } from "./parse-yaml.ts";

/** One field of a spec that the command line sets: `--set limits.cpus=2`. */
export interface SetField {
  readonly path: readonly string[];
  readonly text: string;
}

/** Parses `PATH=VALUE`; the path may begin with `spec.`. Throws InputError. */
export function setField(value: string): SetField {
  const at = value.indexOf("=");
  const path = value.slice(0, Math.max(0, at)).split(".");
  const own = path[0] === "spec" && path.length > 1 ? path.slice(1) : path;
  if (at === -1 || own.some((key) => !/^[\w-]+$/.test(key) || key === "__proto__")) {
    throw new InputError(`Invalid field "${value}": expected PATH=VALUE, like spec.timeout=5m`);
  }
  if (own[0] === "repository") {
    throw new InputError(`Invalid field "${value}": expected the repository as the command's argument`);
  }
  return { path: own, text: value.slice(at + 1) };
}

/**
 * Returns a spec with fields set to their values: as text where the spec takes only text, otherwise read as
 * YAML. Throws InputError for a value that is no YAML, or a path through something else than an object or a
 * list. `isWhole`: the entries of lists are all there, so a number beyond them is refused (default true).
 */
export async function withFields(
  spec: Readonly<Record<string, unknown>>,
  fields: readonly SetField[] = [],
  { isWhole = true }: { isWhole?: boolean } = {},
): Promise<Record<string, unknown>> {
  const changed = structuredClone(spec) as Record<string, unknown>;
  for (const field of fields) setAt(changed, field, { value: await valueOf(field), isWhole });
  return changed;
}

async function valueOf({ path, text }: SetField): Promise<unknown> {
  if (takesTextOnly(path) || text === "") return text;
  try {
    const { document, value } = await parseYaml(text);
    await refuseRounded(document);
    return value;
  } catch (error) {
    throw new InputError(
      `--set: The value "${text}" of ${path.join(".")} cannot be read as YAML: ${messageOf(error)}`,
    );
  }
}

function setAt(
  spec: Record<string, unknown>,
  { path, text }: SetField,
  { value, isWhole }: { value: unknown; isWhole: boolean },
): void {
  let at: Record<string, unknown> | unknown[] = spec;
  for (const [i, key] of path.entries()) {
    if (Array.isArray(at) && (!/^\d{1,4}$/.test(key) || (isWhole && Number(key) > at.length))) {
      throw refused(
        path,
        text,
        `expected the number of an entry, 0 to ${at.length}, in the place of "${key}"`,
      );
    }
    if (i === path.length - 1) {
      Reflect.set(at, key, value);
      return;
    }
    const isList = /^\d+$/.test(path[i + 1] ?? "");
    const inner: unknown = Object.hasOwn(at, key) ? Reflect.get(at, key) : isList ? [] : {};
    if (typeof inner !== "object" || inner === null) {
      throw refused(path, text, `"${path.slice(0, i + 1).join(".")}" has no fields`);
    }
    Reflect.set(at, key, inner);
    at = inner as Record<string, unknown>;
  }
}

const refused = (path: readonly string[], text: string, why: string) =>
  new InputError(`--set: Cannot set ${path.join(".")} to "${text}": ${why}`);

interface Node {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** Whether the value at a path can only be a text. */
function takesTextOnly(path: readonly string[]): boolean {
  let nodes = alternatives(z.toJSONSchema(BuildSpec, { io: "input" }) as Node);
  for (const key of path) {
    const next = nodes.map(({ properties, items }) => /^\d+$/.test(key) ? items : properties?.[key]);
    nodes = next.filter((node) => node !== undefined).flatMap(alternatives);
  }
  return nodes.length > 0 && nodes.every(({ type }) => type === "string");
}

const alternatives = (node: Node): Node[] => node.anyOf ? node.anyOf.flatMap(alternatives) : [node];
