import { isDeepStrictEqual } from "node:util";
import { canonicalJson } from "../../base/compact-json.ts";
import { memberText, parseJson } from "../../base/json.ts";
import { clientMetadata } from "../../engine/core/resource-record.ts";
import type { Kind, Thing } from "./read-things.ts";

/** The fields that a change of each kind replaces, and what they are without a value. */
const REPLACED: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  "resource-definition": {
    name: "null",
    description: '""',
    version: '""',
    schema: "null",
    pipeline: "null",
    drivers: "null",
  },
  "pipeline": {
    name: "null",
    description: '""',
    version: '""',
    resource: "null",
    steps: "null",
    metadata: "null",
  },
  "resource": { name: "null", resource: "null", spec: "null" },
};

/**
 * Returns true if a change with this document would leave what the control plane has, a JSON text, as it is.
 */
export function isUnchanged({ kind, text }: Thing, found: string): boolean {
  const isReplacedBySame = Object.entries(REPLACED[kind]).every(([key, without]) =>
    canonicalJson(given(text, key) ?? without) === canonicalJson(given(found, key) ?? without)
  );
  return isReplacedBySame && (kind !== "resource" || isKept(text, found));
}

/** Whether a resource keeps its pipeline and its metadata, which a document without them does not change. */
function isKept(text: string, found: string): boolean {
  const pipeline = given(text, "pipeline");
  if (pipeline !== undefined && pipeline !== '""' && pipeline !== given(found, "pipeline")) return false;
  const metadata = given(text, "metadata");
  return metadata === undefined || isDeepStrictEqual(ofClient(metadata), ofClient(given(found, "metadata")));
}

/** Returns a member's text; undefined if there is none, or if it is null. */
function given(text: string, key: string): string | undefined {
  const found = memberText(text, key);
  return found === "null" ? undefined : found;
}

const ofClient = (metadata = "{}"): unknown => clientMetadata(parseJson(metadata) as Record<string, unknown>);
