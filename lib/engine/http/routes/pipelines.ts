import { z } from "zod";
import type { Store } from "../../../backend/store.ts";
import { type Pipeline, PipelineStep, token } from "../../../wire/resource.ts";
import { CheckedPipeline, pathName as pipelineName } from "../../core/validate.ts";
import type { Catalog } from "../../shell/catalog.ts";
import { withJson } from "../json-body.ts";
import { checkSameName, nameIn, optionalText, putNew } from "../named.ts";
import { Problem } from "../problem.ts";
import type { Router } from "../router.ts";
import { answerList, LIST_HEADERS, ListQuery } from "./listing.ts";

const PipelineBody = z.object({
  name: pipelineName,
  description: optionalText,
  version: optionalText,
  resource: token,
  steps: CheckedPipeline.shape.steps,
  metadata: z.record(z.string(), z.string()).nullish(),
});
const Changed = PipelineBody.extend({ name: pipelineName.optional() });

const View = z.object({
  name: z.string(),
  description: z.string(),
  version: z.string(),
  resource: z.string(),
  steps: z.array(PipelineStep),
  metadata: z.record(z.string(), z.string()).nullable(),
});

const PATH = "/pipelines";

interface PipelineParts {
  readonly store: Pick<Store, "pipelines">;
  readonly catalog: Catalog;
}

/** Routes of pipelines (protocol 2.2). */
export function pipelineRoutes(router: Router, parts: PipelineParts): void {
  readingRoutes(router, parts);
  changingRoutes(router, parts);
}

function readingRoutes(router: Router, { store, catalog }: PipelineParts): void {
  router.add({
    method: "get",
    path: PATH,
    tag: "Conveyor",
    summary: "List pipelines",
    query: ListQuery,
    answers: { 200: { what: LIST_HEADERS, schema: z.array(View) } },
  }, (_context, query) =>
    answerList(store.pipelines, query, {
      path: PATH,
      registered: () => catalog.registeredPipelines(),
      textOf,
    }));

  router.add({
    method: "get",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    summary: "Read a pipeline",
    answers: { 200: { what: "The pipeline", schema: View } },
  }, async (context) => {
    const found = await catalog.pipeline(nameIn(context));
    if (!found) throw unknown(nameIn(context));
    return context.json(viewOf(found));
  });
}

function changingRoutes(router: Router, { store, catalog }: PipelineParts): void {
  router.add({
    method: "post",
    path: PATH,
    tag: "Conveyor",
    role: "admin",
    summary: "Create a pipeline",
    body: PipelineBody,
    answers: { 201: { what: "The pipeline", schema: View } },
  }, (context) =>
    withJson(context, PipelineBody, async ({ value }) => {
      const { name } = value;
      await checkType(value.resource);
      const exists = () => new Problem(409, `The pipeline "${name}" exists already`);
      if (catalog.registeredPipeline(name)) throw exists();
      const pipeline = storedOf({ ...value, name });
      await putNew(store.pipelines, name, pipeline, exists);
      return context.json(viewOf(pipeline), 201, { Location: `${PATH}/${encodeURIComponent(name)}` });
    }));

  router.add({
    method: "put",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Change a pipeline; runs that have begun keep theirs",
    body: Changed,
    answers: { 200: { what: "The pipeline", schema: View } },
  }, (context) =>
    withJson(context, Changed, async ({ value }) => {
      const name = nameIn(context);
      checkSameName(value.name, name);
      const found = await stored(name);
      await checkType(value.resource);
      const pipeline = storedOf({ ...value, name });
      await store.pipelines.put(name, pipeline, found.revision);
      return context.json(viewOf(pipeline));
    }));

  router.add({
    method: "delete",
    path: `${PATH}/{name}`,
    tag: "Conveyor",
    role: "admin",
    summary: "Remove a pipeline; runs that have begun keep theirs",
    answers: { 204: { what: "It is removed" } },
  }, async (context) => {
    const name = nameIn(context);
    const { revision } = await stored(name);
    await store.pipelines.delete(name, revision);
    return context.body(null, 204);
  });

  async function checkType(type: string): Promise<void> {
    if (!await catalog.definition(type)) {
      throw new Problem(404, `body.resource: unknown resource type "${type}"`);
    }
  }

  /** Returns the stored pipeline. Throws Problem 404, or 409 for one that is part of the program. */
  async function stored(name: string) {
    if (catalog.registeredPipeline(name)) {
      throw new Problem(409, `The pipeline "${name}" is part of the control plane and cannot be changed`);
    }
    const found = await store.pipelines.get(name);
    if (!found) throw unknown(name);
    return found;
  }
}

const unknown = (name: string) => new Problem(404, `Unknown pipeline "${name.slice(0, 100)}"`);

const storedOf = ({ metadata, ...rest }: z.infer<typeof PipelineBody>): Pipeline => ({
  ...rest,
  ...metadata && { metadata },
});

const textOf = (pipeline: Pipeline): string => JSON.stringify(viewOf(pipeline));

function viewOf({ name, description = "", version = "", resource, steps, metadata = null }: Pipeline) {
  return { name, description, version, resource, steps, metadata };
}
