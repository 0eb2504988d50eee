import { basename } from "node:path/posix";
import { z } from "zod";
import type { StoredArtifact } from "../../../backend/store.ts";
import { Artifact } from "../../../wire/run.ts";
import { artifactsOf } from "../../core/artifacts.ts";
import { Problem } from "../problem.ts";
import { type ByteRange, rangeOf, sliced } from "../ranges.ts";
import type { Router } from "../router.ts";
import { knownRun, type RunParts } from "./parts.ts";

const ArtifactList = z.object({ artifacts: z.array(Artifact) });

/** Routes of a run's artifacts. The files come from a build: browsers must not run them as pages of ours. */
export function artifactRoutes(router: Router, { store }: RunParts): void {
  router.add({
    method: "get",
    path: "/runs/{id}/artifacts",
    tag: "Artifacts",
    summary: "List the artifacts of a run",
    answers: { 200: { what: "Those that are stored by now", schema: ArtifactList } },
  }, async ({ req, json }) => {
    const run = await knownRun(store, req.param("id") ?? "");
    return json({ artifacts: artifactsOf(run, await store.artifacts.list(run.id)) });
  });

  router.add({
    method: "get",
    path: "/runs/{id}/artifacts/{name}",
    rest: "name",
    tag: "Artifacts",
    summary: "Fetch an artifact, or a range of its bytes",
    headers: {
      Range: "One range of bytes",
      "If-Range": "The ETag of the bytes that are there already",
      "If-None-Match": "The ETag of a copy",
    },
    answers: {
      200: { what: "The bytes", type: "application/octet-stream" },
      206: { what: "The bytes of the range", type: "application/octet-stream" },
      304: { what: "The copy is up to date" },
    },
  }, async ({ req, body }) => {
    const { id } = await knownRun(store, req.param("id") ?? "");
    const name = req.param("name") ?? "";
    // Looks the artifact up by its exact name, so that no other path can be read.
    const found = await store.artifacts.find(id, name);
    if (!found) throw new Problem(404, `Run "${id}" has no artifact ${JSON.stringify(name.slice(0, 200))}`);
    const headers = headersOf(found);
    if (req.header("if-none-match")?.split(/\s*,\s*/).includes(headers.ETag)) return body(null, 304, headers);
    const mayRange = req.header("if-range") === undefined || req.header("if-range") === headers.ETag;
    const range = mayRange ? rangeOf(req.header("range"), found.size) : undefined;
    const bytes = await store.artifacts.open(id, name);
    if (!bytes) throw new Problem(404, `Run "${id}" has no artifact ${JSON.stringify(name.slice(0, 200))}`);
    const wanted: ByteRange = range ?? { start: 0, end: found.size };
    const length = { "Content-Length": String(wanted.end - wanted.start) };
    const stream = ReadableStream.from(range ? sliced(bytes, range) : bytes);
    if (!range) return body(stream, 200, { ...headers, ...length });
    const contentRange = `bytes ${range.start}-${range.end - 1}/${found.size}`;
    return body(stream, 206, { ...headers, ...length, "Content-Range": contentRange });
  });
}

function headersOf({ name, sha256 }: StoredArtifact) {
  return {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": `attachment; filename*=UTF-8''${
      encodeURIComponent(basename(name)).replaceAll("'", "%27")
    }`,
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "bytes",
    ETag: `"${sha256}"`,
  } as const;
}
