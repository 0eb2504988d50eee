import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { ConflictError, type ResourceChanges, resourceKey, type Store } from "../../../backend/store.ts";
import { InputError } from "../../../base/errors.ts";
import type { Resource } from "../../../wire/resource.ts";
import type { Run } from "../../../wire/run.ts";
import type { Submission } from "../../core/submission.ts";
import { runOfKey } from "../idempotency.ts";
import { Problem } from "../problem.ts";
import type { RunParts } from "./parts.ts";

/**
 * Starts a run and answers its id, also for a request that is sent again with its Idempotency-Key.
 * `changesFor` returns what is stored together with the run. Throws InputError, and Problem 409 for a key
 * that was used for another request.
 */
export async function startRun(
  context: Context,
  { engine, store }: Pick<RunParts, "engine" | "store">,
  submission: Submission,
  changesFor: (run: string) => Promise<ResourceChanges | undefined> = () => Promise.resolve(undefined),
): Promise<Response> {
  const key = context.req.header("idempotency-key");
  // The key stands for a run that is there, so it must not let another one in.
  if (key !== undefined && submission.run !== undefined) {
    throw new InputError("body.run: expected none beside an Idempotency-Key");
  }
  const submitter = context.get("submitter");
  const run = submission.run ?? (key === undefined ? randomUUID() : runOfKey(key, submitter));
  const wanted = { ...submission, submitter, run };
  const answer = (run: string) => context.json({ run }, 201, { Location: `/runs/${run}` });
  try {
    return answer(await engine.submit(wanted, await changesFor(run)));
  } catch (error) {
    if (!(error instanceof ConflictError) || key === undefined) throw error;
    const there = await store.runs.get(wanted.run);
    if (!there) throw error;
    if (!isSame(there.value, wanted)) {
      throw new Problem(409, `The Idempotency-Key was used for another request: expected a new one`);
    }
    context.header("Idempotent-Replayed", "true");
    return answer(wanted.run);
  }
}

/**
 * Returns the change that makes a run the newest one of its stored resource; undefined if that is another by
 * now.
 */
export async function newestRun(
  { resources }: Pick<Store, "resources">,
  resource: Resource,
  run: string,
): Promise<ResourceChanges | undefined> {
  const { id, name, resource: type, metadata } = resource;
  const key = resourceKey(type, name);
  const found = name.isWellFormed() ? await resources.get(key) : undefined;
  if (!found || found.value.resource.id !== id) return undefined;
  if (found.value.resource.metadata?.["version"] !== metadata?.["version"]) return undefined;
  return { resources: [{ key, value: { ...found.value, run }, revision: found.revision }], versions: [] };
}

function isSame({ resource, retryOf, operation }: Run, wanted: Submission): boolean {
  const of = ({ name, resource: type, spec }: Run["resource"]) => JSON.stringify([name, type, spec]);
  return of(resource) === of(wanted.resource) && retryOf === wanted.retryOf && operation === wanted.operation;
}
