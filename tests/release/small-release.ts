import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { run } from "./made-release.ts";

const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

/** A release of the form that scripts/release makes, with shell scripts in the place of the programs. */
export async function makeSmallRelease(folder: string, version: string, extra?: string): Promise<string> {
  const name = `flutter-ci-${version}-linux-x64`;
  const tree = join(folder, "tree", name);
  await mkdir(join(tree, "bin"), { recursive: true });
  await mkdir(join(tree, "share/doc/flutter-ci"), { recursive: true });
  const program = join(tree, "bin/flutter-ci");
  await writeFile(program, `#!/bin/sh\necho "${version} (commit 0123456789ab, linux-x64)"\n`);
  await chmod(program, 0o755);
  for (const driver of DRIVERS) await symlink("flutter-ci", join(tree, "bin", driver));
  await writeFile(join(tree, "share/doc/flutter-ci/LICENSE"), "Apache-2.0\n");
  if (extra !== undefined) await writeFile(join(tree, extra), "extra\n");
  // Large enough to be cut off in the middle, and no compressor makes it small.
  const noise = Buffer.concat(
    Array.from({ length: 40_000 }, (_, i) => createHash("sha256").update(`${i}`).digest()),
  );
  await writeFile(join(tree, "share/doc/flutter-ci/noise"), noise);
  const release = join(folder, "release");
  await mkdir(release, { recursive: true });
  await run("tar", ["-czf", join(release, `${name}.tar.gz`), "-C", join(folder, "tree"), name]);
  await writeSums(release);
  return release;
}

export async function writeSums(release: string): Promise<void> {
  const names = (await readdir(release)).filter((name) => /\.tar\.[gx]z$/.test(name)).sort();
  const lines = names.map(async (name) => {
    const hash = createHash("sha256").update(await readFile(join(release, name))).digest("hex");
    return `${hash}  ${name}\n`;
  });
  await writeFile(join(release, "SHA256SUMS"), (await Promise.all(lines)).join(""));
}

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export interface FileServer extends AsyncDisposable {
  readonly url: string;
  /** What was asked for: the name, and the `Range` header if there was one. */
  readonly asked: readonly string[];
}

/**
 * Serves the files of a folder on loopback, parts of them too; `answer` may see to the archives in its own
 * way.
 */
export async function serveFolder(folder: string, answer: Answer = answerWithFile): Promise<FileServer> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const name = (request.url ?? "").slice(1);
    asked.push([name, request.headers.range].filter(Boolean).join(" "));
    const body = await readFile(join(folder, name)).catch(() => undefined);
    if (body === undefined) response.writeHead(404).end();
    else if (name.endsWith(".tar.gz")) answer(request, response, body);
    else answerWithFile(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

export function answerWithFile(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const from = Number(start ?? 0);
  if (from >= body.length) {
    response.writeHead(416, { "content-length": 0, "content-range": `bytes */${body.length}` }).end();
    return;
  }
  response.writeHead(start === undefined ? 200 : 206, {
    "content-length": body.length - from,
    ...start !== undefined && { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` },
  });
  response.end(body.subarray(from));
}

/** Has no file whose beginning is known: a server that refuses every part. */
export function answerWithoutParts(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  if (request.headers.range === undefined) answerWithFile(request, response, body);
  else response.writeHead(416, { "content-length": 0 }).end();
}

/** Sends half of the file and breaks the connection. */
export function answerWithHalf(_: IncomingMessage, response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { "content-length": body.length });
  response.write(body.subarray(0, body.length >> 1), () => response.destroy());
}
