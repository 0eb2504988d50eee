import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { temporaryFolder } from "../cli/start-program.ts";
import { run } from "./made-release.ts";
import {
  answerWithFile,
  answerWithHalf,
  answerWithoutParts,
  makeSmallRelease,
  serveFolder,
  writeSums,
} from "./small-release.ts";
import { environmentIn, folderOfTools, install, installer, partOf, SHELLS, TARGET } from "./installing.ts";

test("install.sh downloads with curl, else with wget, else says what to do", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFolder(await makeSmallRelease(folder.path, "0.1.0"));
  for (const tool of ["curl", "wget", undefined]) {
    const bin = await folderOfTools(join(folder.path, `with-${tool}`), tool);
    const prefix = join(folder.path, `prefix-${tool}`);
    const words = ["--from", `${server.url}/`, "--prefix", prefix, ...TARGET];
    const { code, stderr } = await install(folder.path, words, { path: bin });
    if (tool === undefined) {
      assert.equal(code, 3);
      assert.match(stderr, /neither curl nor wget is here\. Install one, or download/);
    } else {
      assert.equal(code, 0, stderr);
      assert.ok(existsSync(join(prefix, "bin/builder")));
    }
  }
});

test("install.sh takes the archive that xz has made smaller where XZ Utils are here, else the other", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const archive = join(release, "flutter-ci-0.1.0-linux-x64.tar");
  await run("sh", ["-c", `gzip -dc '${archive}.gz' | xz --x86 --lzma2=preset=0 >'${archive}.xz'`]);
  await writeSums(release);
  await using server = await serveFolder(release);
  for (
    const [name, xz] of [["utils", `exec ${(await run("which", ["xz"])).stdout.trim()} "$@"`], [
      "busybox",
      "exit 1",
    ]]
  ) {
    const bin = await folderOfTools(join(folder.path, `with-${name}`), "curl");
    await writeFile(join(bin, "xz"), `#!/bin/sh\n${xz}\n`, { mode: 0o755 });
    const prefix = join(folder.path, `prefix-${name}`);
    const { code, stderr } = await install(
      folder.path,
      ["--from", server.url, "--prefix", prefix, ...TARGET],
      {
        path: bin,
      },
    );
    assert.equal(code, 0, stderr);
    assert.match((await run(join(prefix, "bin/builder"), [])).stdout, /^0\.1\.0 /);
    const ending = name === "utils" ? "xz" : "gz";
    assert.equal(server.asked.at(-1), `flutter-ci-0.1.0-linux-x64.tar.${ending}`);
  }
});

test("install.sh goes on with a download that was cut off, and installs nothing before it is whole", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  let isCut = true;
  await using server = await serveFolder(
    release,
    (...parts) => isCut ? answerWithHalf(...parts) : answerWithFile(...parts),
  );
  const prefix = join(folder.path, "prefix");
  const words = ["--from", server.url, "--prefix", prefix, ...TARGET];
  const first = await install(folder.path, words);
  assert.deepEqual([first.code, /start again to go on$/m.test(first.stderr)], [3, true], first.stderr);
  assert.deepEqual(await readdir(prefix), []);
  isCut = false;
  const second = await install(folder.path, words);
  assert.equal(second.code, 0, second.stderr);
  const { length } = await readFile(join(release, "flutter-ci-0.1.0-linux-x64.tar.gz"));
  const [, range = "0"] = /tar\.gz bytes=(\d+)-$/.exec(server.asked.at(-1) ?? "") ?? [];
  assert.ok(Number(range) > 0 && Number(range) <= length / 2, server.asked.join());
});

test("install.sh that is interrupted leaves nothing behind but the beginning of the download", async () => {
  await using folder = await temporaryFolder();
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = await serveFolder(
    await makeSmallRelease(folder.path, "0.1.0"),
    (_, response, body) => {
      response.writeHead(200, { "content-length": body.length });
      response.write(body.subarray(0, 1000), () => resolve());
    },
  );
  const prefix = join(folder.path, "prefix");
  const words = [installer, "--from", server.url, "--prefix", prefix, ...TARGET];
  const child = spawn("sh", words, {
    env: { PATH: process.env.PATH, ...environmentIn(folder.path) },
    stdio: "ignore",
    detached: true,
  });
  const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  await promise;
  // As a terminal does: to all processes of it.
  process.kill(-(child.pid ?? 0), "SIGINT");
  assert.equal(await ended, 130);
  assert.deepEqual(await readdir(prefix), []);
  assert.deepEqual((await readdir(folder.path)).sort(), ["home", "prefix", "release", "tree"]);
});

test("install.sh downloads through a proxy, with curl and with wget", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const asked: string[] = [];
  const proxy = createServer(async (request, response) => {
    // What is asked of a proxy is a whole URL.
    const url = URL.parse(request.url ?? "");
    asked.push(url?.host ?? "");
    const body = await readFile(join(release, basename(url?.pathname ?? ""))).catch(() => undefined);
    if (body) answerWithFile(request, response, body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const env = {
    http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    NO_PROXY: "",
    no_proxy: "",
  };
  try {
    for (const tool of ["curl", "wget"]) {
      asked.length = 0;
      const path = await folderOfTools(join(folder.path, `with-${tool}`), tool);
      const prefix = join(folder.path, `prefix-${tool}`);
      const words = ["--from", "http://downloads.invalid/ci", "--prefix", prefix, ...TARGET];
      const { code, stderr } = await install(join(folder.path), words, { path, env });
      assert.equal(code, 0, stderr);
      assert.deepEqual([...new Set(asked)], ["downloads.invalid"]);
    }
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

/** A folder with a wget of this kind in it. */
async function toolsWithWget(folder: string, kind: string): Promise<string> {
  const path = await folderOfTools(folder, kind === "busybox" ? undefined : kind);
  if (kind === "busybox") await symlink((await run("which", ["busybox"])).stdout.trim(), join(path, "wget"));
  return path;
}

test("install.sh goes on from any part: a whole one, one that is too long, one that the server does not go on with", async () => {
  const hasBusybox = SHELLS.some(([name]) => name === "busybox");
  for (const tool of ["curl", "wget", ...hasBusybox ? ["busybox"] : []]) {
    await using folder = await temporaryFolder();
    const release = await makeSmallRelease(folder.path, "0.1.0");
    const { part, archive } = await partOf(folder.path, release);
    const path = await toolsWithWget(join(folder.path, "tools"), tool);
    let answer = answerWithFile;
    await using server = await serveFolder(release, (...parts) => answer(...parts));
    const cases: [Buffer, typeof answer, isFetched: boolean][] = [
      [archive, answerWithFile, false],
      [Buffer.concat([archive, Buffer.from("more")]), answerWithFile, true],
      [archive.subarray(0, 1000), answerWithoutParts, true],
      [Buffer.alloc(1000), answerWithFile, true],
    ];
    for (const [i, [bytes, how, isFetched]] of cases.entries()) {
      await writeFile(part, bytes);
      answer = how;
      const asked = server.asked.length;
      const prefix = join(folder.path, `prefix-${i}`);
      const { code, stderr } = await install(
        folder.path,
        ["--from", server.url, "--prefix", prefix, ...TARGET],
        {
          path,
        },
      );
      assert.equal(code, 0, `${tool} ${i}: ${stderr}`);
      assert.equal(
        server.asked.slice(asked).some((name) => name.includes(".tar.gz")),
        isFetched,
        `${tool} ${i}`,
      );
      assert.deepEqual(await readdir(join(folder.path, "home/.cache/flutter-ci")), []);
    }
  }
});
