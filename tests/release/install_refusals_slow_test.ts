import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { temporaryFolder } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { mountSmallDisk, noSmallDisk } from "../support/small-disk.ts";
import { run } from "./made-release.ts";
import { makeSmallRelease, serveFolder } from "./small-release.ts";
import { folderOfTools, install, partOf, SHELLS, TARGET } from "./installing.ts";

const { test } = needing();

test("install.sh refuses what was damaged or changed, and what was not signed by the key that is named", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const prefix = join(folder.path, "prefix");
  const key = join(folder.path, "key");
  for (const name of [key, `${key}2`]) await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", name]);
  const words = ["--from", release, "--prefix", prefix, ...TARGET];
  const refused = async (more: readonly string[], code: number, message: RegExp) => {
    const ended = await install(folder.path, [...words, ...more]);
    assert.deepEqual([ended.code, message.test(ended.stderr)], [code, true], ended.stderr);
    assert.equal(existsSync(join(prefix, "bin")), false);
  };
  const signed = ["--key", `${key}.pub`];
  await refused(signed, 1, /is not signed: there is no SHA256SUMS\.sig/);
  const sums = join(release, "SHA256SUMS");
  await run("ssh-keygen", ["-Y", "sign", "-q", "-f", key, "-n", "flutter-ci-release", sums]);
  await refused(["--key", `${key}2.pub`], 1, /The signature of SHA256SUMS is not by the key ".*key2\.pub"/);
  await refused(["--key", join(folder.path, "none")], 2, /Cannot read the key ".*none"/);

  const archive = join(release, "flutter-ci-0.1.0-linux-x64.tar.gz");
  const whole = await readFile(archive);
  await truncate(archive, 100_000);
  await refused(
    signed,
    1,
    /The checksum of flutter-ci-0\.1\.0-linux-x64\.tar\.gz is [0-9a-f]{64}: expected [0-9a-f]{64}\./,
  );
  await writeFile(archive, whole);
  const { code, stderr } = await install(folder.path, [...words, ...signed]);
  assert.equal(code, 0, stderr);
});

test(
  "install.sh installs nothing on a disk that is full, and leaves nothing there",
  { needs: noSmallDisk },
  async () => {
    await using folder = await temporaryFolder();
    const release = await makeSmallRelease(folder.path, "0.1.0");
    const prefix = join(folder.path, "prefix");
    using disk = mountSmallDisk(prefix, "600k");
    const words = ["--from", release, "--prefix", prefix, ...TARGET];
    const { code, stderr } = await install(folder.path, words);
    assert.equal(code, 3, stderr);
    assert.match(
      stderr,
      /^error: Cannot unpack flutter-ci-0\.1\.0-linux-x64\.tar\.gz to ".*": is its disk full\? Nothing is installed$/m,
    );
    assert.deepEqual(await readdir(prefix), []);
    disk.grow("10m");
    const again = await install(folder.path, words);
    assert.equal(again.code, 0, again.stderr);
  },
);

/** All that is below a folder, with the texts of files and the targets of links. */
const pictureOf = async (folder: string) =>
  (await run("sh", [
    "-c",
    `cd '${folder}' && find . -printf '%M %u %p %l\n' | sort && find . -type f -exec sha256sum {} +`,
  ]))
    .stdout;

test("install.sh that cannot replace a file puts back what was there, and says so", async () => {
  for (const shell of SHELLS) {
    await using folder = await temporaryFolder();
    const prefix = join(folder.path, "prefix");
    const one = await makeSmallRelease(join(folder.path, "one"), "0.1.0");
    const two = await makeSmallRelease(join(folder.path, "two"), "0.2.0", "bin/another");
    const words = (from: string) => ["--from", from, "--prefix", prefix, ...TARGET];
    // The move of one program fails, as with a quota that is used up.
    const fakes = join(folder.path, "fakes");
    await mkdir(fakes);
    const mv =
      `#!/bin/sh\ncase $* in *.flutter-ci.*"prefix/bin/git-cloner") case $2 in */old/*) ;; *) echo full >&2; exit 1 ;; esac ;; esac\nexec /bin/mv "$@"\n`;
    await writeFile(join(fakes, "mv"), mv, { mode: 0o755 });
    const path = `${fakes}:${process.env.PATH}`;

    const fresh = await install(folder.path, words(one), { shell, path });
    assert.equal(fresh.code, 3, fresh.stderr);
    assert.match(
      fresh.stderr,
      /^error: Cannot write to ".*prefix\/bin\/git-cloner"\. Nothing is installed$/m,
    );
    assert.doesNotMatch(fresh.stderr, /Installed/);
    assert.deepEqual(await readdir(prefix), []);

    assert.equal((await install(folder.path, words(one), { shell })).code, 0);
    const before = await pictureOf(join(prefix, "bin"));
    const upgrade = await install(folder.path, words(two), { shell, path });
    assert.deepEqual([upgrade.code, /Installed/.test(upgrade.stderr)], [3, false], upgrade.stderr);
    assert.equal(await pictureOf(join(prefix, "bin")), before);
    assert.match((await run(join(prefix, "bin/builder"), [])).stdout, /^0\.1\.0 /);
    assert.deepEqual((await readdir(prefix)).sort(), ["bin", "share"]);
    const removed = await install(folder.path, ["--uninstall", "--prefix", prefix], { shell });
    assert.equal(removed.code, 0, removed.stderr);
    assert.deepEqual(await readdir(prefix), []);
  }
});

test("install.sh installs nothing where a tool that unpacks, lists or changes files fails", async () => {
  await using folder = await temporaryFolder();
  const unit = "lib/systemd/system/builder@.service";
  await mkdir(join(folder.path, "tree/flutter-ci-0.1.0-linux-x64/lib/systemd/system"), { recursive: true });
  const release = await makeSmallRelease(folder.path, "0.1.0", unit);
  const prefix = join(folder.path, "prefix");
  const real = async (tool: string) => (await run("sh", ["-c", `command -v ${tool}`])).stdout.trim();
  // Each does its work, and says that it has not done all of it.
  const cases = [
    ["gzip", "*", /Cannot unpack/],
    ["find", "'. ! -type d'", /Cannot list/],
    ["sort", "*/paths", /Cannot list/],
    ["sed", "s#/usr/local/#*", /Cannot write the prefix into builder@\.service/],
  ] as const;
  for (const [tool, words, why] of cases) {
    const fakes = join(folder.path, `without-${tool}`);
    await mkdir(fakes);
    const text = `#!/bin/sh\n${await real(tool)} "$@" || exit\ncase $* in ${words}) exit 1 ;; esac\n`;
    await writeFile(join(fakes, tool), text, { mode: 0o755 });
    const path = `${fakes}:${process.env.PATH}`;
    const { code, stderr } = await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET], {
      path,
    });
    assert.deepEqual([code, why.test(stderr)], [3, true], `${tool}: ${stderr}`);
    assert.match(stderr, /Nothing is installed$/m);
    assert.deepEqual(await readdir(prefix), []);
  }
});

test("install.sh says at once that a tool is missing which it needs", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  for (
    const [tool, why] of [["awk", /^error: awk is needed/m], [
      "sha256sum",
      /^error: Cannot check the/m,
    ]] as const
  ) {
    const bin = await folderOfTools(join(folder.path, `without-${tool}`), undefined);
    await rm(join(bin, tool));
    const prefix = join(folder.path, "prefix");
    const { code, stderr } = await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET], {
      path: bin,
    });
    assert.deepEqual([code, why.test(stderr)], [3, true], stderr);
    assert.equal(existsSync(prefix), false);
  }
});

test("install.sh refuses a folder in the place of a file, and a file in the place of a folder", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const cases: [string, string, RegExp][] = [
    [
      "mkdir -p bin/flutter-ci",
      "folder",
      /^error: Cannot install ".*bin\/flutter-ci": a folder of that name/m,
    ],
    [
      "mkdir -p bin x && ln -s ../x bin/builder",
      "link",
      /^error: Cannot install ".*bin\/builder": a folder of/m,
    ],
    [
      "echo >share",
      "file",
      /^error: Cannot install to ".*share": it is not a folder\. Nothing is installed$/m,
    ],
    ["ln -s nowhere bin", "dead", /^error: Cannot install to ".*bin": it is not a folder\. Nothing is/m],
  ];
  for (const [script, name, message] of cases) {
    const prefix = join(folder.path, name);
    await mkdir(prefix);
    await run("sh", ["-c", `cd '${prefix}' && ${script}`]);
    const before = (await readdir(prefix, { recursive: true })).sort();
    const { code, stderr } = await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET]);
    assert.deepEqual([code, message.test(stderr), /Installed/.test(stderr)], [3, true, false], stderr);
    assert.deepEqual((await readdir(prefix, { recursive: true })).sort(), before);
  }
});

test("install.sh refuses a bin that cannot be written to", { needs: noSmallDisk }, async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const prefix = join(folder.path, "prefix");
  await mkdir(prefix);
  using _disk = mountSmallDisk(join(prefix, "bin"), "1m");
  spawnSync("mount", ["-o", "remount,ro", join(prefix, "bin")]);
  const { code, stderr } = await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET]);
  assert.deepEqual([code, /^error: Cannot write to ".*prefix\/bin"/m.test(stderr)], [3, true], stderr);
  assert.deepEqual(await readdir(prefix), ["bin"]);
});

test("install.sh uses no cache that others can change, and writes through no link in it", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const { part, archive } = await partOf(folder.path, release);
  const cache = join(folder.path, "home/.cache/flutter-ci");
  await using server = await serveFolder(release);
  const attempt = async (name: string) => {
    const prefix = join(folder.path, name);
    const words = ["--from", server.url, "--prefix", prefix, ...TARGET];
    const { code, stderr } = await install(folder.path, words);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const precious = join(folder.path, "precious");
  await writeFile(precious, "precious");
  await symlink(precious, part);
  await attempt("link");
  assert.equal(await readFile(precious, "utf8"), "precious");

  // A part in a folder that everybody can write to, itself or above it, is not looked at.
  for (const open of [cache, join(folder.path, "home")]) {
    await chmod(open, 0o777);
    await writeFile(part, archive);
    assert.match(await attempt(basename(open)), /^Getting /m);
    assert.deepEqual(await readFile(part), archive);
    await chmod(open, 0o755);
  }
  assert.doesNotMatch(await attempt("trusted"), /^Getting /m);
});

test("install.sh trusts no cache of another user", { needs: noSmallDisk }, async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const { part, archive } = await partOf(folder.path, release);
  const words = ["--from", release, "--prefix", join(folder.path, "prefix"), ...TARGET];
  await writeFile(part, archive);
  await chown(join(folder.path, "home"), 65534, 65534);
  const { code, stderr } = await install(folder.path, words);
  assert.deepEqual([code, /^Getting /m.test(stderr)], [0, true], stderr);
  assert.ok(existsSync(part));
});
