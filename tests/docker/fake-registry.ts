import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

export interface FakeRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`, where a daemon speaks plain HTTP. */
  readonly host: string;
}

interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/**
 * A registry with one image: every repository has it under the tag `here`. With `login`, only for who knows
 * it. `refusal` is what it says of manifests that it does not have.
 */
export async function startFakeRegistry(
  { login, user = "", refusal = { status: 404, code: "MANIFEST_UNKNOWN" } }: {
    login?: { username: string; password: string };
    user?: string;
    refusal?: { status: number; code: string };
  } = {},
): Promise<FakeRegistry> {
  const { manifest, blobs } = await image(user);
  const expected = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
  const server = createServer(({ url = "", method, headers }, response) => {
    const send = (status: number, type: string, body: Buffer, more: Record<string, string> = {}) => {
      response.writeHead(status, { "Content-Type": type, "Content-Length": body.length, ...more });
      response.end(method === "HEAD" ? undefined : body);
    };
    const refuse = (status: number, code: string, more: Record<string, string> = {}) =>
      send(
        status,
        "application/json",
        Buffer.from(JSON.stringify({ errors: [{ code, message: code }] })),
        more,
      );
    if (expected && headers.authorization !== expected) {
      return refuse(401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="test"' });
    }
    const [, kind, reference = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    if (url === "/v2/") return send(200, "application/json", Buffer.from("{}"));
    if (kind === "manifests" && (reference === "here" || reference === manifest.digest)) {
      return send(200, MANIFEST_TYPE, manifest.bytes, { "Docker-Content-Digest": manifest.digest });
    }
    const blob = kind === "blobs" ? blobs.find(({ digest }) => digest === reference) : undefined;
    if (blob) return send(200, "application/octet-stream", blob.bytes);
    if (kind === "manifests") refuse(refusal.status, refusal.code);
    else refuse(404, "BLOB_UNKNOWN");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";

/** An image with one layer of one small file, unlike any other. */
async function image(user: string): Promise<{ manifest: Blob; blobs: Blob[] }> {
  const tar = pack();
  tar.entry({ name: "greeting" }, `hello ${crypto.randomUUID()}`);
  tar.finalize();
  const layer = Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Uint8Array>));
  const zipped = blob(gzipSync(layer));
  const config = blob(json({
    architecture: "amd64",
    os: "linux",
    config: { User: user },
    rootfs: { type: "layers", diff_ids: [blob(layer).digest] },
  }));
  const manifest = blob(json({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.bytes.length,
      digest: config.digest,
    },
    layers: [{
      mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      size: zipped.bytes.length,
      digest: zipped.digest,
    }],
  }));
  return { manifest, blobs: [zipped, config] };
}

function blob(bytes: Buffer): Blob {
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
