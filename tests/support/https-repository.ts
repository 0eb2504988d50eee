import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { imageWithScript } from "./derived-image.ts";
import { oidOf } from "./lfs.ts";
import { makePlace } from "./start-run.ts";

/** A git repository over https on loopback, and an image that trusts its certificate. */
export interface HttpsRepository extends AsyncDisposable {
  /**
   * Its URL for containers in the network "host". The server has only files, no protocol for shallow clones.
   */
  readonly url: string;
  readonly image: string;
  /** Its branch's commit. */
  readonly commit: string;
  /** The credentials of each request: `Basic …`, or undefined. */
  readonly logins: Set<string | undefined>;
  /** Ids of the objects that Git LFS has asked for. */
  readonly lfsObjects: string[];
  /** Stops answering requests with the token. Resolves once the first one has come. */
  hang(): Promise<void>;
}

/**
 * Serves a repository with these files, committed; with a `token`, only to those who have it. `lfs`: contents
 * of Git LFS files, below the repository's own URL.
 */
export async function httpsRepository(
  files: Record<string, string>,
  { token, host = "127.0.0.1", submodules = [], lfs = [] }: {
    token?: string;
    lfs?: readonly string[];
    host?: "127.0.0.1" | "localhost";
    submodules?: readonly Submodule[];
  } = {},
): Promise<HttpsRepository> {
  await using opening = new AsyncDisposableStack();
  const place = opening.use(await makePlace(files));
  addSubmodules(place.repository, submodules);
  const commit = headOf(place.repository);
  const bare = join(place.folder, "app.git");
  execFileSync("git", ["clone", "-q", "--bare", place.repository, bare]);
  execFileSync("git", ["-C", bare, "update-server-info"]);
  const wanted = token === undefined ? undefined : `Basic ${btoa(`x-access-token:${token}`)}`;
  const logins = new Set<string | undefined>();
  const asked = Promise.withResolvers<void>();
  const state = { hangs: false };
  const lfsObjects: string[] = [];
  const server = createServer(TEST_CERTIFICATE, async (request, response) => {
    const { url = "", headers } = request;
    logins.add(headers.authorization);
    if (wanted !== undefined && headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
      return;
    }
    if (state.hangs) return asked.resolve();
    const path = new URL(url, "https://x").pathname.replace(/^\/app\.git/, "");
    if (path.startsWith("/info/lfs/")) {
      const answer = lfsAnswer(path, await text(request), {
        lfs,
        base: `https://${headers.host}/app.git`,
        lfsObjects,
      });
      response.writeHead(answer === undefined ? 404 : 200, {
        "content-type": "application/vnd.git-lfs+json",
      });
      response.end(answer);
      return;
    }
    try {
      response.end(await readFile(join(bare, path)));
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opening.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  // Text before a certificate in such a file is ignored.
  const image = opening.use(imageWithScript("/etc/ssl/certs/ca-certificates.crt", TEST_CERTIFICATE.cert));
  const opened = opening.move();
  return {
    url: `https://${host}:${port}/app.git`,
    image: image.name,
    commit,
    logins,
    lfsObjects,
    hang() {
      state.hangs = true;
      return asked.promise;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Returns the answer of a server of Git LFS: where objects are, or an object. */
function lfsAnswer(
  path: string,
  body: string,
  { lfs, base, lfsObjects }: { lfs: readonly string[]; base: string; lfsObjects: string[] },
): string | undefined {
  if (path !== "/info/lfs/objects/batch") {
    return lfs.find((content) => path === `/info/lfs/${oidOf(content)}`);
  }
  const { objects } = JSON.parse(body) as { objects: { oid: string; size: number }[] };
  lfsObjects.push(...objects.map(({ oid }) => oid));
  return JSON.stringify({
    transfer: "basic",
    objects: objects.map(({ oid, size }) => ({
      oid,
      size,
      ...lfs.some((content) => oidOf(content) === oid)
        ? { actions: { download: { href: `${base}/info/lfs/${oid}` } } }
        : { error: { code: 404, message: "no such object" } },
    })),
  });
}

/** A repository elsewhere, or this one at its first commit. */
export interface Submodule {
  readonly path: string;
  readonly url: string;
  readonly commit?: string;
  /** Its name in `.gitmodules` (default: the path). */
  readonly name?: string;
}

function addSubmodules(repository: string, submodules: readonly Submodule[]): void {
  if (submodules.length === 0) return;
  const git = (...args: string[]) => execFileSync("git", ["-C", repository, ...args]);
  const own = headOf(repository);
  for (const { path, url, commit = own, name = path } of submodules) {
    git("update-index", "--add", "--cacheinfo", `160000,${commit},${path}`);
    git("config", "--file", ".gitmodules", `submodule.${name}.path`, path);
    git("config", "--file", ".gitmodules", `submodule.${name}.url`, url);
  }
  git("add", ".gitmodules");
  git("-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "submodules");
}

const headOf = (repository: string): string =>
  execFileSync("git", ["-C", repository, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
