import { isDeepStrictEqual } from "node:util";
import type { Context } from "hono";
import { z } from "zod";
import { ConflictError, versionKey } from "../../../backend/store.ts";
import type { StoredResource } from "../../../wire/stored.ts";
import { clientMetadata, resourceText, versionOf, withVersion } from "../../core/resource-record.ts";
import { runOfKey } from "../idempotency.ts";
import { jsonText, withJson } from "../json-body.ts";
import { Problem } from "../problem.ts";
import {
  ChangedResource,
  changeResource,
  createResource,
  deleteResource,
  knownResource,
  metadataNow,
  ResourceBody,
  type ResourceParts,
} from "../resource-changes.ts";
import type { Engine } from "../../shell/engine.ts";
import type { Router } from "../router.ts";
import { LIST_HEADERS, listPage, ListQuery } from "./listing.ts";
import { admitNew } from "./parts.ts";

const View = z.object({
  id: z.string(),
  name: z.string(),
  pipeline: z.string().optional(),
  resource: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  spec: z.unknown(),
});

const Created = z.object({
  message: z.string(),
  name: z.string(),
  runid: z.string(),
  version: z.string(),
});

/** The header with the id of the run that a change has started. */
const RUN_HEADER = "X-Run-Id";

const LIST = { 200: { what: LIST_HEADERS, schema: z.array(View) } };
const FOUND = { 200: { what: "The resource", schema: View } };

interface RouteParts extends ResourceParts {
  readonly admit: (submitter: string | undefined) => void;
}

/** Routes of resources (protocol 2.2). */
export function resourceRoutes(router: Router, parts: RouteParts): void {
  readingRoutes(router, parts);
  changingRoutes(router, parts);
}

function readingRoutes(router: Router, { store }: ResourceParts): void {
  const textNow = async (stored: StoredResource) => resourceText(stored, await metadataNow(store, stored));

  for (const path of ["/resources", "/resources/{type}"]) {
    router.add({
      method: "get",
      path,
      tag: "Conveyor",
      summary: path.endsWith("}") ? "List the resources of a type" : "List resources",
      query: ListQuery,
      answers: LIST,
    }, async ({ req }, query) => {
      const type = req.param("type");
      const prefix = type === undefined ? "" : `${type}/`;
      const here = type === undefined ? path : `/resources/${encodeURIComponent(type)}`;
      const page = { ...query, prefix, path: here, textOf: textNow };
      const { texts, headers } = await listPage(store.resources, page);
      return jsonText(`[${texts.join()}]`, 200, headers);
    });
  }

  router.add({
    method: "get",
    path: "/resources/{type}/{name}",
    tag: "Conveyor",
    summary: "Read a resource, with the results of its newest run in its metadata",
    answers: FOUND,
  }, async (context) => {
    const { type, name } = placeOf(context);
    return jsonText(await textNow((await knownResource(store, type, name)).value));
  });

  router.add({
    method: "get",
    path: "/resources/{type}/{name}/{version}",
    tag: "Conveyor",
    summary: "Read a version of a resource",
    answers: FOUND,
  }, async (context) => {
    const { type, name } = placeOf(context);
    const version = context.req.param("version") ?? "";
    const isVersion = /^[1-9]\d{0,9}$/.test(version) && name.isWellFormed();
    const found = isVersion ? await store.versions.get(versionKey(type, name, Number(version))) : undefined;
    if (found) return jsonText(resourceText(found.value));
    await knownResource(store, type, name);
    throw new Problem(404, `The resource "${name.slice(0, 100)}" has no version "${version.slice(0, 100)}"`);
  });
}

function changingRoutes(router: Router, parts: RouteParts): void {
  router.add({
    method: "post",
    path: "/resources",
    tag: "Conveyor",
    summary: "Create a resource and start its run",
    body: ResourceBody,
    headers: {
      "Idempotency-Key": "A text of the caller's own: sent again with the same body, it is the same resource",
    },
    answers: { 201: { what: "Both are stored", schema: Created } },
  }, async (context) => {
    await admitNew(context, parts);
    return await withJson(context, ResourceBody, async ({ value, textOf }) => {
      const key = context.req.header("idempotency-key");
      const run = key === undefined ? undefined : runOfKey(key, context.get("submitter"));
      const specText = textOf("spec");
      const replayed = async () => {
        if (run === undefined || !await isRepeated(parts, run, value, specText)) return undefined;
        context.header("Idempotent-Replayed", "true");
        return created(context, value, run);
      };
      const before = await replayed();
      if (before) return before;
      try {
        const made = await createResource(partsOf(context, parts), value, { specText, run });
        return created(context, value, made.run);
      } catch (error) {
        // The same request at the same time may have been first.
        const meanwhile = isConflict(error) ? await replayed() : undefined;
        if (meanwhile) return meanwhile;
        throw error;
      }
    });
  });

  router.add({
    method: "put",
    path: "/resources/{type}/{name}",
    tag: "Conveyor",
    summary: "Store the next version of a resource and start its run",
    body: ChangedResource,
    answers: { 200: { what: "The resource and its run", schema: View.extend({ runid: z.string() }) } },
  }, (context) => {
    parts.admit(context.get("submitter"));
    return withJson(context, ChangedResource, async ({ value, textOf }) => {
      const { stored, run } = await changeResource(
        partsOf(context, parts),
        placeOf(context),
        value,
        textOf("spec"),
      );
      return jsonText(resourceText(stored, undefined, { runid: run }), 200, { [RUN_HEADER]: run });
    });
  });

  router.add({
    method: "delete",
    path: "/resources/{type}/{name}",
    tag: "Conveyor",
    summary: `Remove a resource with its versions and start the run of its end, whose id is in ${RUN_HEADER}`,
    answers: { 204: { what: "It is removed, and its run has begun" } },
  }, async (context) => {
    parts.admit(context.get("submitter"));
    const { run } = await deleteResource(partsOf(context, parts), placeOf(context));
    return context.body(null, 204, { Location: `/runs/${run}`, [RUN_HEADER]: run });
  });
}

/** Returns the parts with an engine that notes who submits. */
function partsOf(context: Context, parts: ResourceParts): ResourceParts {
  const submitter = context.get("submitter");
  const submit: Engine["submit"] = (submission, changes) =>
    parts.engine.submit({ ...submission, submitter }, changes);
  return { ...parts, engine: { submit } };
}

/** Returns true if the request was answered before. Throws Problem 409 if its key was used for another. */
async function isRepeated(
  { store, catalog }: ResourceParts,
  run: string,
  { name, resource: type, pipeline, metadata, spec }: ResourceBody,
  specText: string | undefined,
): Promise<boolean> {
  const found = (await store.runs.get(run))?.value;
  if (!found) return false;
  const first = withVersion({ ...found.resource, id: "" }, 1, clientMetadata(found.resource.metadata));
  // The record of a run has the pipeline that its type had by default.
  const named = pipeline ?? (await catalog.defaultPipeline(type))?.name;
  const bare = { id: "", name, ...named && { pipeline: named }, resource: type, spec };
  const given = withVersion(bare, 1, clientMetadata(metadata));
  if (
    found.operation === "create" && versionOf(found.resource) === 1 && found.specText === specText &&
    isDeepStrictEqual(first, given)
  ) return true;
  throw new Problem(409, "The Idempotency-Key was used for another request: expected a new one");
}

const isConflict = (error: unknown): boolean =>
  error instanceof ConflictError || (error instanceof Problem && error.status === 409);

function created(context: Context, { name, resource: type }: ResourceBody, run: string): Response {
  const body = { message: "Resource created successfully", name, runid: run, version: "1" };
  const location = `/resources/${type}/${encodeURIComponent(name)}`;
  return context.json(body, 201, { Location: location, [RUN_HEADER]: run });
}

function placeOf({ req }: Context): { type: string; name: string } {
  return { type: req.param("type") ?? "", name: req.param("name") ?? "" };
}
