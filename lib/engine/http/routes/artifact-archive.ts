import { pack } from "tar-stream";
import { dirname, relative } from "node:path/posix";
import { type Artifact, modeOf } from "../../../wire/run.ts";
import { artifactsOf } from "../../core/artifacts.ts";
import type { Router } from "../router.ts";
import { knownRun, type RunParts } from "./parts.ts";

/** All artifacts of a run in one archive. */
export function archiveRoute(router: Router, { store }: RunParts): void {
  router.add({
    method: "get",
    path: "/runs/{id}/artifacts.tar",
    tag: "Artifacts",
    summary: "Fetch all artifacts of a run as a tar archive",
    answers: { 200: { what: "The archive", type: "application/x-tar" } },
  }, async ({ req, body }) => {
    const run = await knownRun(store, req.param("id") ?? "");
    const { id } = run;
    const listed = artifactsOf(run, await store.artifacts.list(id));
    return body(ReadableStream.from(archive(listed, (name) => store.artifacts.open(id, name))), 200, {
      "Content-Type": "application/x-tar",
      "Content-Disposition": `attachment; filename="${id}.tar"`,
      "X-Content-Type-Options": "nosniff",
    });
  });
}

/**
 * Yields a tar archive, no faster than it is read. Throws if an artifact has been removed meanwhile, so that
 * the incomplete archive is noticed.
 */
async function* archive(
  listed: readonly Artifact[],
  open: (name: string) => Promise<AsyncIterable<Uint8Array> | undefined>,
): AsyncGenerator<Uint8Array> {
  const out = pack();
  // If the reader cancels, `drain` never comes.
  const left = new Promise<void>((resolve) => out.once("close", () => resolve()));
  const either = (done: Promise<void>) => Promise.race([done, left]);
  const writing = (async () => {
    for (const { name, size, mode: bits, mtime: seconds = 0, link } of listed) {
      const mode = modeOf(bits);
      const mtime = new Date(seconds * 1000);
      if (link !== undefined) {
        const linkname = relative(dirname(`/${name}`), `/${link}`);
        out.entry({ name, type: "symlink", linkname, mode, mtime });
        continue;
      }
      const bytes = await open(name);
      if (!bytes) throw new Error(`The artifact "${name}" is not there any more`);
      const written = Promise.withResolvers<void>();
      const entry = out.entry({ name, size, mode, mtime }, (error) => {
        if (error) written.reject(error);
        else written.resolve();
      });
      written.promise.catch(() => {});
      for await (const chunk of bytes) {
        if (!entry.write(chunk)) await either(new Promise((resolve) => entry.once("drain", () => resolve())));
        if (out.destroyed) return;
      }
      entry.end(undefined);
      await either(written.promise);
    }
    out.finalize();
  })();
  writing.catch((error) => out.destroy(error));
  for await (const chunk of out) yield chunk as Uint8Array;
  await writing;
}
