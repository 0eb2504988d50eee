import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeRepository } from "../cli/git-repository.ts";
import { root, temporaryFolder } from "../cli/start-program.ts";

const image = process.env.CONVEYOR_TEST_IMAGE ?? "conveyor-build:bookworm";
const execute = promisify(execFile);

test("a compiled program works in a root without Node.js, Bun and Deno, and reads nothing of its folder", async () => {
  await using folder = await temporaryFolder();
  const dist = join(folder.path, "dist");
  await execute(join(root, "scripts/build"), [dist, "flutter-ci", "builder"]);
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

  const repo = join(folder.path, "repo");
  makeRepository(repo, { "hello.txt": "hello\n" });
  const hostile = {
    "bunfig.toml": 'preload = ["./evil.ts"]',
    "evil.ts": 'require("node:fs").writeFileSync("/repo/MARK", "read");',
    ".env": "CONVEYOR_LOG_LEVEL=nonsense\n",
    "package.json": "{ broken",
    "tsconfig.json": "{ broken",
    "deno.json": "{ broken",
  };
  for (const [name, text] of Object.entries(hostile)) await writeFile(join(repo, name), text);

  // The daemon's socket, so that it can do its work from in there; the container of the build is the daemon's as well.
  const { stdout } = await execute("docker", [
    ...[
      "run",
      "--rm",
      "--network",
      "none",
      "--volume",
      `${dist}:/dist:ro`,
      "--volume",
      `${repo}:/repo`,
      "--workdir",
      "/repo",
    ],
    ...["--volume", "/var/run/docker.sock:/var/run/docker.sock", image, "sh", "-ec"],
    `for runtime in node bun deno; do ! command -v $runtime; done
    /dist/flutter-ci --version
    /dist/builder --version
    /dist/builder || echo "exit $?"
    /dist/flutter-ci run --image ${image} --pull never -a '*.txt' -o /repo/kept -- cp hello.txt copy.txt`,
  ]);
  assert.ok(stdout.startsWith(`${version}\n${version}\nexit 3\nrun `), stdout);
  assert.match(stdout, /\nSucceeded in .*\n$/);
  assert.deepEqual(await readdir(join(repo, "kept")), ["copy.txt", "hello.txt"]);
  assert.equal((await readdir(repo)).includes("MARK"), false);
});

test("the demo builds zlib with a compiled program", async () => {
  await using folder = await temporaryFolder();
  await execute(join(root, "scripts/build"), [folder.path, "flutter-ci"]);
  const output = join(folder.path, "artifacts");
  const { stdout, stderr } = await execute(join(root, "scripts/demo"), [], {
    env: {
      ...process.env,
      FLUTTER_CI: join(folder.path, "flutter-ci"),
      CONVEYOR_OUTPUT: output,
      CONVEYOR_DATA: join(folder.path, "data"),
    },
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.match(
    stderr,
    /^\$ .*\/flutter-ci run --image .* -c \.\/configure -c make -c 'make test' -a 'libz\.\*' /m,
  );
  assert.match(stdout, /\*\*\* zlib test OK \*\*\*/);
  assert.match(stdout, /\nSucceeded in .*\n$/);
  const files = await readdir(output);
  for (const name of ["libz.a", "libz.so"]) assert.ok(files.includes(name), files.join());
});
