import { randomUUID } from "node:crypto";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import {
  type Change,
  ConflictError,
  type ResourceChanges,
  resourceKey,
  type Store,
  type Versioned,
  versionKey,
} from "../../backend/store.ts";
import { type Pipeline, type Resource, token } from "../../wire/resource.ts";
import type { StoredResource } from "../../wire/stored.ts";
import { clientMetadata, metadataWithResults, versionOf, withVersion } from "../core/resource-record.ts";
import { isResult } from "../core/dispatch.ts";
import type { Submission } from "../core/submission.ts";
import { pathName as resourceName } from "../core/validate.ts";
import type { Catalog } from "../shell/catalog.ts";
import type { Engine } from "../shell/engine.ts";
import { Problem } from "./problem.ts";
import { checkedFacts, DEFAULT_TIMEOUT_MS } from "./submission.ts";

export interface ResourceParts {
  readonly store: Pick<Store, "resources" | "versions" | "runs">;
  readonly catalog: Catalog;
  readonly engine: Pick<Engine, "submit">;
}

const optionalName = z.string().nullish().transform((name) => name || undefined).pipe(
  resourceName.optional(),
);

/** The body of `POST /resources`. */
export const ResourceBody = z.object({
  name: resourceName,
  resource: token.describe("Its type"),
  pipeline: optionalName.describe("Default: that of its type"),
  metadata: z.record(z.string(), z.string()).nullish(),
  spec: z.unknown().default(null),
  secrets: z.record(z.string(), z.string()).default({}).describe(
    "Values of the secrets that the spec names; not stored with it",
  ),
});
export type ResourceBody = z.infer<typeof ResourceBody>;

/** The body of `PUT /resources/<type>/<name>`. */
export const ChangedResource = ResourceBody.extend({
  name: resourceName.optional(),
  resource: token.optional(),
});
export type ChangedResource = z.infer<typeof ChangedResource>;

/** How often a change is repeated that another one came before. */
const TRIES = 20;

/** A resource and the run that its change has started. */
export interface ResourceRun {
  readonly stored: StoredResource;
  readonly run: string;
}

/** Creates a resource and its run: both or none. `run` is the run's id. */
export async function createResource(
  parts: ResourceParts,
  body: ResourceBody,
  { specText, run = randomUUID() }: { specText: string | undefined; run?: string | undefined },
): Promise<ResourceRun> {
  const { name, resource: type, pipeline: named, spec, secrets } = body;
  await checkKnown(parts.catalog, type);
  const bare: Resource = { id: randomUUID(), name, ...named && { pipeline: named }, resource: type, spec };
  const resource = withVersion(bare, 1, clientMetadata(body.metadata));
  const stored = { resource, ...specText !== undefined && { specText }, run };
  const submission = await submissionFor(parts.catalog, { stored, operation: "create", secrets });
  try {
    await parts.engine.submit({ ...submission, run }, storing(stored, 0));
  } catch (error) {
    if (!(error instanceof ConflictError) || await parts.store.runs.get(run)) throw error;
    throw new Problem(409, `The resource "${name}" of the type "${type}" exists already`);
  }
  return { stored, run };
}

/** Stores the next version of a resource, with the run of its `update` event: both or none. */
export async function changeResource(
  parts: ResourceParts,
  { type, name }: { type: string; name: string },
  body: ChangedResource,
  specText: string | undefined,
): Promise<ResourceRun> {
  checkSame("name", body.name, name);
  checkSame("resource", body.resource, type);
  return await repeated(async () => {
    const found = await knownResource(parts.store, type, name);
    await checkKnown(parts.catalog, type);
    const { id, pipeline, metadata } = found.value.resource;
    const { version: _, ...results } = await metadataNow(parts.store, found.value);
    const kept = body.metadata
      ? { ...without(results, clientMetadata(metadata)), ...clientMetadata(body.metadata) }
      : results;
    const run = randomUUID();
    const named = body.pipeline ?? pipeline;
    const bare: Resource = { id, name, ...named && { pipeline: named }, resource: type, spec: body.spec };
    const resource = withVersion(bare, versionOf(found.value.resource) + 1, kept);
    const stored = { resource, ...specText !== undefined && { specText }, run };
    const { secrets } = body;
    const submission = await submissionFor(parts.catalog, { stored, operation: "update", secrets });
    await parts.engine.submit({ ...submission, run }, storing(stored, found.revision));
    return { stored, run };
  });
}

/** Removes a resource with its versions and starts the run of its `delete` event: all or nothing. */
export async function deleteResource(
  parts: ResourceParts,
  { type, name }: { type: string; name: string },
): Promise<ResourceRun> {
  return await repeated(async () => {
    const found = await knownResource(parts.store, type, name);
    const stored = found.value;
    const run = randomUUID();
    const key = resourceKey(type, name);
    const count = versionOf(stored.resource);
    const versions = Array.from({ length: count }, (_, i) => ({ key: versionKey(type, name, i + 1) }));
    const submission = await submissionFor(parts.catalog, { stored, operation: "delete", secrets: {} });
    await parts.engine.submit({ ...submission, run }, {
      resources: [{ key, revision: found.revision }],
      versions,
    });
    return { stored, run };
  });
}

/** Returns a stored resource. Throws Problem 404. */
export async function knownResource(
  store: Pick<Store, "resources">,
  type: string,
  name: string,
): Promise<Versioned<StoredResource>> {
  const found = name.isWellFormed() ? await store.resources.get(resourceKey(type, name)) : undefined;
  if (found) return found;
  throw new Problem(404, `Unknown resource "${name.slice(0, 100)}" of the type "${type.slice(0, 100)}"`);
}

/** Returns the resource's metadata with the results of its newest run. */
export async function metadataNow(
  { runs }: Pick<Store, "runs">,
  stored: StoredResource,
): Promise<Readonly<Record<string, unknown>>> {
  return metadataWithResults(stored, (await runs.get(stored.run))?.value);
}

async function submissionFor(
  catalog: Catalog,
  { stored: { resource, specText }, operation, secrets }: {
    stored: StoredResource;
    operation: Submission["operation"];
    secrets: Readonly<Record<string, string>>;
  },
): Promise<Submission> {
  const pipeline = await pipelineOf(catalog, resource, operation);
  const facts = operation === "delete" ? {} : await checkedFacts(catalog, {
    type: resource.resource,
    spec: resource.spec,
    secrets,
    root: "body.spec",
  });
  // Results of earlier runs are shown with the resource; the run needs none of them.
  const metadata = Object.fromEntries(
    Object.entries(resource.metadata ?? {}).filter(([name]) => !isResult(name)),
  );
  return {
    resource: { ...resource, metadata },
    specText,
    pipeline,
    operation,
    timeoutMs: facts.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    restarts: facts.restarts ?? 0,
    secrets,
  };
}

/** Returns the pipeline of a resource; one without steps sends the event to every driver of the type. */
async function pipelineOf(
  catalog: Catalog,
  { pipeline: name, resource: type }: Resource,
  operation: Submission["operation"],
): Promise<Pipeline> {
  const toAll = { name: "", resource: type, steps: [] };
  // A resource can be deleted when its pipeline, or that of its type, is gone or is another one's now.
  const isDelete = operation === "delete";
  if (!name) {
    const found = await catalog.defaultPipeline(type).catch((error) => {
      if (isDelete && error instanceof InputError) return undefined;
      throw error;
    });
    return found ?? toAll;
  }
  const found = await catalog.pipeline(name);
  if (found?.resource === type) return found;
  if (isDelete) return toAll;
  if (!found) throw new Problem(404, `body.pipeline: unknown pipeline "${name.slice(0, 100)}"`);
  throw new InputError(
    `body.pipeline: "${name}" is for resources of the type "${found.resource}", got "${type}"`,
  );
}

async function checkKnown(catalog: Catalog, type: string): Promise<void> {
  if (await catalog.definition(type)) return;
  throw new Problem(404, `body.resource: unknown resource type "${type}"`);
}

function checkSame(field: string, given: string | undefined, expected: string): void {
  if (given === undefined || given === expected) return;
  throw new InputError(`body.${field}: expected "${expected}" as in the path, got "${given.slice(0, 100)}"`);
}

function storing(stored: StoredResource, revision: number): ResourceChanges {
  const { name, resource: type } = stored.resource;
  const change: Change<StoredResource> = { key: resourceKey(type, name), value: stored, revision };
  const key = versionKey(type, name, versionOf(stored.resource));
  return { resources: [change], versions: [{ key, value: stored }] };
}

const without = (all: Readonly<Record<string, unknown>>, those: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => !Object.hasOwn(those, key)));

async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let n = 1;; n++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ConflictError) || n === TRIES) throw error;
    }
  }
}
