import { jsonWith } from "../../base/compact-json.ts";
import type { Resource } from "../../wire/resource.ts";
import type { Run } from "../../wire/run.ts";
import type { StoredResource } from "../../wire/stored.ts";
import { isResult, resultsOf } from "./dispatch.ts";

type Metadata = Readonly<Record<string, unknown>>;

/** Returns the metadata that a client may set: the version, results and the current step are the engine's. */
export function clientMetadata(metadata: Metadata | null | undefined): Record<string, unknown> {
  const entries = Object.entries(metadata ?? {});
  return Object.fromEntries(
    entries.filter(([name]) =>
      name !== "version" && !isResult(name) && !name.startsWith("current_pipeline_")
    ),
  );
}

/** Returns the resource as the next version, with `version` in its metadata. */
export function withVersion(resource: Resource, version: number, metadata: Metadata): Resource {
  const { spec, metadata: _, ...rest } = resource;
  return { ...rest, metadata: { ...metadata, version: String(version) }, spec };
}

/** Returns the number of a stored version. */
export function versionOf({ metadata }: Resource): number {
  const version = Number(metadata?.["version"]);
  return Number.isInteger(version) && version > 0 ? version : 1;
}

/** Returns the stored metadata with the results of the version's newest run. */
export function metadataWithResults({ resource }: StoredResource, run: Run | undefined): Metadata {
  const { version, ...rest } = resource.metadata ?? {};
  return { ...rest, ...run && resultsOf(run), ...version !== undefined && { version } };
}

/** Writes a resource as JSON, in Conveyor's order of members, with the spec as it was sent. */
export function resourceText(
  { resource, specText }: Pick<StoredResource, "resource" | "specText">,
  metadata: Metadata = resource.metadata ?? {},
  more: Readonly<Record<string, unknown>> = {},
): string {
  const { id, name, pipeline, resource: type, spec } = resource;
  const facts = { id, name, ...pipeline && { pipeline }, resource: type, ...more, metadata };
  return jsonWith(facts, "spec", specText ?? JSON.stringify(spec) ?? "null");
}
