import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

/** A registry on loopback with one image of one layer. */
export interface Registry extends AsyncDisposable {
  /** The image's name, `127.0.0.1:<port>/app:<tag>`, which no other registry has. */
  readonly image: string;
  /** Resolves once a client waits for the rest of the layer, which is sent after `resume`. */
  readonly stalled: Promise<void>;
  /** From now on the layer is sent whole. Clients that wait already never get the rest. */
  resume(): void;
}

/** Starts a registry that stalls in the middle of the layer, a tar archive. */
export async function startRegistry(layer: Uint8Array): Promise<Registry> {
  const blobs = new Map<string, Uint8Array>();
  const keep = (bytes: Uint8Array) => {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const packed = keep(gzipSync(layer, { level: 1 }));
  const config = keep(json({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
  }));
  const manifest = keep(json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: "application/vnd.docker.container.image.v1+json", ...config },
    layers: [{ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", ...packed }],
  }));
  const stalled = Promise.withResolvers<void>();
  let stalls = true;

  const server = createServer(({ url = "", method }, response) => {
    const wanted = url.split("/").at(-1) ?? "";
    const bytes = blobs.get(url.includes("/manifests/") ? manifest.digest : wanted);
    if (url === "/v2/") return void response.end();
    if (!bytes) return void response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": url.includes("/manifests/") ? MANIFEST : "application/octet-stream",
      "Content-Length": bytes.length,
      "Docker-Content-Digest": url.includes("/manifests/") ? manifest.digest : wanted,
    });
    if (method === "HEAD") return void response.end();
    if (wanted !== packed.digest || !stalls) return void response.end(bytes);
    sendHalf(response, bytes, stalled.resolve);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    image: `127.0.0.1:${port}/app:${randomUUID().slice(0, 8)}`,
    stalled: stalled.promise,
    resume: () => void (stalls = false),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.resolve();
    },
  };
}

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

function sendHalf(response: ServerResponse, bytes: Uint8Array, then: () => void): void {
  response.write(bytes.subarray(0, bytes.length / 2), () => then());
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
