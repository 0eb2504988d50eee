import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join, relative } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { root } from "../cli/start-program.ts";

/** A package in a registry. */
interface Published {
  readonly manifest: Record<string, unknown>;
  readonly archive: Uint8Array;
}

/**
 * An npm registry on this machine, with everything that is installed in this checkout, and with the package
 * for authors if it is given. Both runtimes find it by the variable `NPM_CONFIG_REGISTRY`.
 */
export async function startRegistry(packed?: { folder: string; archive: string }) {
  const packages = new Map<string, Promise<Published>>();
  if (packed) {
    const manifest = await manifestIn(packed.folder);
    const archive = await readFile(packed.archive);
    packages.set(String(manifest.name), Promise.resolve({ manifest, archive }));
  }
  packages.set("@types/bun", bunTypes());
  const server = createServer(async ({ url = "/" }, response) => {
    try {
      const [, name = "", isArchive] = /^\/(.*?)(\/-\/archive\.tgz)?$/.exec(decodeURIComponent(url)) ?? [];
      const found = packages.get(name) ?? installed(name);
      packages.set(name, found);
      const { manifest, archive } = await found;
      if (isArchive) return void response.end(archive);
      const version = String(manifest.version);
      const dist = {
        tarball: `${address()}/${name}/-/archive.tgz`,
        shasum: createHash("sha1").update(archive).digest("hex"),
        integrity: `sha512-${createHash("sha512").update(archive).digest("base64")}`,
      };
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({
        name,
        "dist-tags": { latest: version },
        versions: { [version]: { ...manifest, dist } },
      }));
    } catch (error) {
      const isUnknown = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isUnknown) console.error(`The registry cannot serve ${url}:`, error);
      response.writeHead(isUnknown ? 404 : 500).end("{}");
    }
  });
  const address = () => {
    const at = server.address();
    return `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}`;
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: address(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function manifestIn(folder: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
}

async function installed(name: string): Promise<Published> {
  const folder = join(root, "node_modules", name);
  return { manifest: await manifestIn(folder), archive: await archiveOf(folder) };
}

/** The tar program refuses a file that is linked elsewhere meanwhile, as installing does. */
async function archiveOf(folder: string): Promise<Uint8Array> {
  const archive = pack();
  const bytes = buffer(archive.pipe(createGzip({ level: 1 })));
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    archive.entry({ name: `package/${relative(folder, path)}`, mode }, await readFile(path));
  }
  archive.finalize();
  return await bytes;
}

/** `bun init` adds this name for the types that are installed here. */
async function bunTypes(): Promise<Published> {
  const { manifest, archive } = await installed("bun-types");
  return { manifest: { ...manifest, name: "@types/bun" }, archive };
}
