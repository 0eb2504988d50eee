import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { imageWithScript } from "./derived-image.ts";
import { makePlace } from "./start-run.ts";

/** A git repository over https on loopback, and an image that trusts its certificate. */
export interface HttpsRepository extends AsyncDisposable {
  /** Reached from a container in the network "host"; without the wire protocol that a shallow clone needs. */
  readonly url: string;
  readonly image: string;
}

/** Serves a repository with these files, committed; with a `token`, only to who has that. */
export async function httpsRepository(
  files: Record<string, string>,
  { token }: { token?: string } = {},
): Promise<HttpsRepository> {
  await using opening = new AsyncDisposableStack();
  const place = opening.use(await makePlace(files));
  const bare = join(place.folder, "app.git");
  execFileSync("git", ["clone", "-q", "--bare", place.repository, bare]);
  execFileSync("git", ["-C", bare, "update-server-info"]);
  const wanted = token === undefined ? undefined : `Basic ${btoa(`x-access-token:${token}`)}`;
  const server = createServer(TEST_CERTIFICATE, async ({ url = "", headers }, response) => {
    if (wanted !== undefined && headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
      return;
    }
    const path = new URL(url, "https://x").pathname.replace(/^\/app\.git/, "");
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
  // What stands before a certificate in such a file is not read.
  const image = opening.use(imageWithScript("/etc/ssl/certs/ca-certificates.crt", TEST_CERTIFICATE.cert));
  const opened = opening.move();
  return {
    url: `https://127.0.0.1:${port}/app.git`,
    image: image.name,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
