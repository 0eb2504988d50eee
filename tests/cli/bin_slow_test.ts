import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const PROGRAMS = ["flutter-ci", "container-start", "git-cloner", "builder", "container-stop"];

/** A folder in which everything that a runtime may read would leave a mark, or break the start. */
async function hostileFolder(folder: string): Promise<string> {
  const mark = join(folder, "MARK");
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "read");`;
  await mkdir(join(folder, "node_modules/.bin"), { recursive: true });
  await mkdir(join(folder, "node_modules/commander"), { recursive: true });
  const files: Record<string, string> = {
    "bunfig.toml": 'preload = ["./evil.cjs"]',
    ".env": "CONVEYOR_LOG_LEVEL=nonsense\nCONVEYOR_RUNTIME=nonsense\n",
    "deno.json": '{ "imports": { "commander": "./evil.cjs" }, "unstable": [ broken',
    "package.json": '{ "name": broken',
    "tsconfig.json": '{ "compilerOptions": broken',
    ".npmrc": "registry=http://127.0.0.1:1/",
    "evil.cjs": evil,
    "node_modules/commander/package.json": '{ "main": "../../evil.cjs" }',
    "node_modules/.bin/docker": `#!/bin/sh\ntouch ${mark}\n`,
    "bun": `#!/bin/sh\ntouch ${mark}\n`,
    "deno": `#!/bin/sh\ntouch ${mark}\n`,
    "readlink": `#!/bin/sh\ntouch ${mark}\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  for (const name of ["bun", "deno", "readlink", "node_modules/.bin/docker"]) {
    await chmod(join(folder, name), 0o755);
  }
  return mark;
}

const env = { CONVEYOR_RUNTIME: runtime };

test("bin reads nothing of the folder it is started in", async () => {
  await using folder = await temporaryFolder();
  const mark = await hostileFolder(folder.path);
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const program of PROGRAMS) {
    const ended = await startProgram(join(root, "bin", program), ["--version"], { cwd: folder.path, env })
      .ended;
    assert.deepEqual(ended, { code: 0, stdout: `${version}\n`, stderr: "" }, program);
  }
  const help = await startProgram(join(root, "bin/flutter-ci"), ["help", "run"], { cwd: folder.path, env })
    .ended;
  assert.equal(help.code, 0);
  assert.equal(help.stderr, "");
  assert.equal(existsSync(mark), false);
});

test("bin does its work in the folder it is called from", async () => {
  await using folder = await temporaryFolder();
  const here = await startProgram(join(root, "bin/flutter-ci"), ["run"], { cwd: folder.path, env }).ended;
  assert.equal(here.code, 2);
  assert.match(here.stderr, new RegExp(`${folder.path}.*is not in a git repository`));
});

test("bin says so where the folder it is called from is gone", async () => {
  await using folder = await temporaryFolder();
  const script =
    `cd ${folder.path} && mkdir gone && cd gone && rmdir ../gone && exec ${root}/bin/flutter-ci -v`;
  const ended = await startProgram("/bin/sh", ["-c", script], { env }).ended;
  assert.equal(ended.code, 3);
  // It depends on the shell whether it still knows the folder's name.
  const gone =
    `error: Cannot (?:start flutter-ci: .*does not exist any more|work in "${folder.path}/gone": .*ENOENT)`;
  assert.match(ended.stderr, new RegExp(gone));
});

test("bin finds its folder through symbolic links, one after the other", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "links"));
  await symlink(join(root, "bin/container-stop"), join(folder.path, "absolute"));
  await symlink("../absolute", join(folder.path, "links/relative"));
  const ended = await startProgram(join(folder.path, "links/relative"), ["--help"], { env }).ended;
  assert.equal(ended.code, 0);
  assert.match(ended.stdout, /^Start the Container Stop Driver/);
});

test("bin and scripts run nothing of the folder they are called in, whatever PATH and CDPATH say", async () => {
  await using folder = await temporaryFolder();
  const mark = await hostileFolder(folder.path);
  for (const name of ["dirname", "bash", "sort", "cksum", "uname"]) {
    await writeFile(join(folder.path, name), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  }
  await symlink(join(root, "bin/flutter-ci"), join(folder.path, "link"));
  await mkdir(join(folder.path, "bin"));
  await symlink("../link", join(folder.path, "bin/flutter-ci"));
  const hostile = { ...env, PATH: `.:${process.env.PATH}`, CDPATH: folder.path };
  for (const program of ["./link", "bin/flutter-ci", join(folder.path, "bin/flutter-ci")]) {
    const ended = await startProgram("/bin/sh", ["-c", `exec ${program} --version`], {
      cwd: folder.path,
      env: hostile,
    })
      .ended;
    assert.equal(ended.code, 0, ended.stderr);
  }
  const line = `. ${root}/scripts/lib.sh; printf '%s %s' "$root" "$PATH"`;
  const sourced = await startProgram("/bin/bash", ["-c", line], { cwd: folder.path, env: hostile }).ended;
  assert.match(sourced.stdout, new RegExp(`^${root} /`), sourced.stderr);
  assert.doesNotMatch(sourced.stdout, /[ :]\.(?::|$)/);
  assert.equal(existsSync(mark), false);
});

test("bin names the one command that gets a clone ready, where packages or a runtime are missing", async () => {
  await using folder = await temporaryFolder();
  await bareCheckout(folder.path);
  await mkdir(join(folder.path, "scripts"));
  await writeFile(join(folder.path, "scripts/demo"), "", { mode: 0o755 });
  const program = join(folder.path, "bin/flutter-ci");
  const demo = new RegExp(`; run ${folder.path}/scripts/demo once, which gets what is missing`);
  const bare = await startProgram(program, ["-v"], { env: { PATH: "/nonexistent" } }).ended;
  assert.deepEqual([bare.code, bare.stdout], [3, ""]);
  assert.match(bare.stderr, /expected Bun .* on PATH/);
  assert.match(bare.stderr, demo);
  await writeFile(join(folder.path, "package.json"), "{}");
  const packed = await startProgram(program, ["-v"], { env }).ended;
  assert.deepEqual([packed.code, packed.stdout], [3, ""]);
  assert.match(
    packed.stderr,
    /^error: Cannot start flutter-ci: the packages of .*bun\.lock are missing; run /,
  );
  assert.match(packed.stderr, demo);
});

test("bin says so where a checkout was updated and its packages were not", async () => {
  await using folder = await temporaryFolder();
  await bareCheckout(folder.path);
  const at = (name: string) => join(folder.path, name);
  await mkdir(at("node_modules/commander"), { recursive: true });
  await writeFile(at("package.json"), "{}");
  await writeFile(at("node_modules/.lock-stamp"), "of what was installed");
  await writeFile(at("bun.lock"), "{}");
  const start = () => startProgram(at("bin/flutter-ci"), ["-v"], { env }).ended;
  await utimes(at("node_modules"), 1, 1);
  const outdated = await start();
  assert.deepEqual([outdated.code, outdated.stdout], [3, ""]);
  assert.match(
    outdated.stderr,
    /^error: Cannot start flutter-ci: the packages of .*bun\.lock are of an older version/,
  );
  // Whoever has installed them by hand knows better than the stamp.
  await utimes(at("bun.lock"), 0, 0);
  assert.doesNotMatch((await start()).stderr, /older version/);
});

test("bin takes a runtime from absolute folders of PATH only", async () => {
  await using folder = await temporaryFolder();
  const mark = await hostileFolder(folder.path);
  await bareCheckout(folder.path);
  const program = join(folder.path, "bin/flutter-ci");
  const none = await startProgram(program, ["--version"], { cwd: folder.path, env: { PATH: ":.:bin/.." } })
    .ended;
  assert.equal(none.code, 3);
  assert.match(none.stderr, /^error: Cannot start flutter-ci: expected Bun .* or Deno .* on PATH/);
  assert.equal(existsSync(mark), false);
});

test("bin prefers Bun, and takes Deno where there is no Bun", async () => {
  await using folder = await temporaryFolder();
  await bareCheckout(folder.path);
  const program = join(folder.path, "bin/flutter-ci");
  for (const name of ["bun", "deno"]) {
    await mkdir(join(folder.path, name));
    await writeFile(join(folder.path, name, name), `#!/bin/sh\necho "${name} $*"\n`, { mode: 0o755 });
  }
  const both = { PATH: `${join(folder.path, "deno")}:${join(folder.path, "bun")}` };
  const preferred = await startProgram(program, ["run", "a b"], { env: both }).ended;
  assert.match(
    preferred.stdout,
    /^bun --config=\/dev\/null --no-env-file --no-install .*\/drivers\/flutter-ci\.ts run a b\n$/,
  );
  const other = await startProgram(program, ["-v"], { env: { PATH: join(folder.path, "deno") } }).ended;
  assert.match(other.stdout, /^deno run -A --no-check --config .*\/deno\.json --no-lock --cached-only /);
  const asked = await startProgram(program, ["-v"], { env: { ...both, CONVEYOR_RUNTIME: "deno" } }).ended;
  assert.match(asked.stdout, /^deno run/);
});

test("bin refuses a runtime that it does not know", async () => {
  const ended = await startProgram(join(root, "bin/flutter-ci"), ["-v"], {
    env: { CONVEYOR_RUNTIME: "node" },
  }).ended;
  assert.equal(ended.code, 2);
  assert.equal(ended.stderr, 'error: Invalid CONVEYOR_RUNTIME "node": expected bun or deno\n');
});

/** The wrappers alone, where no tools have been put beside them. */
async function bareCheckout(folder: string): Promise<void> {
  await mkdir(join(folder, "bin"));
  for (const name of ["flutter-ci", "start.sh"]) {
    await copyFile(join(root, "bin", name), join(folder, "bin", name));
  }
  await chmod(join(folder, "bin/flutter-ci"), 0o755);
}
