import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { root, startProgram, temporaryFolder } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { mountSmallDisk, noSmallDisk } from "../support/small-disk.ts";
import { run } from "./made-release.ts";
import {
  answerWithFile,
  answerWithHalf,
  answerWithoutParts,
  makeSmallRelease,
  serveFolder,
  writeSums,
} from "./small-release.ts";

const { test } = needing();

const installer = join(root, "scripts/install.sh");
/** The shells that have to do: in CI both, elsewhere those that are there. */
const SHELLS = [["dash"], ["busybox", "sh"]].filter(([path = ""]) =>
  process.env.CI === "true" || spawnSync(path, ["-c", "true"]).error === undefined
);

interface Installing {
  readonly shell?: readonly string[];
  readonly path?: string;
  readonly env?: Record<string, string>;
  /** The installer, where it is not that of this tree. */
  readonly script?: string;
}

/** Runs the installer, with a home and temporary folder below `folder`, for linux-x64. */
function install(folder: string, words: readonly string[], options: Installing = {}) {
  const { shell = ["sh"], path, env = {}, script = installer } = options;
  const [program = "sh", ...first] = shell;
  return startProgram(program, [...first, script, ...words], {
    env: { ...environmentIn(folder), ...env, ...path !== undefined && { PATH: path } },
    cwd: folder,
  }).ended;
}

const environmentIn = (folder: string) => ({
  HOME: join(folder, "home"),
  TMPDIR: folder,
  NO_PROXY: "127.0.0.1",
});
const TARGET = ["--target", "linux-x64"];

test("install.sh installs, upgrades and removes, whatever the shell, in a folder with spaces in its name", async () => {
  assert.ok(SHELLS.length > 0);
  for (const shell of SHELLS) {
    await using folder = await temporaryFolder();
    const prefix = join(folder.path, "a prefix with spaces");
    const one = await makeSmallRelease(join(folder.path, "one"), "0.1.0", "share/doc/flutter-ci/OLD");
    const two = await makeSmallRelease(join(folder.path, "two"), "0.10.0", "share/doc/flutter-ci/NEW");
    const words = (from: string) => ["--from", from, "--prefix", prefix, ...TARGET];

    const first = await install(folder.path, words(one), { shell });
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /^Installed flutter-ci 0\.1\.0 \(linux-x64\) in .*a prefix with spaces$/m);
    const { stdout } = await run(join(prefix, "bin/git-cloner"), []);
    assert.match(stdout, /^0\.1\.0 /);

    await writeFile(join(prefix, "bin/of-somebody-else"), "");
    const second = await install(folder.path, words(two), { shell });
    assert.match(second.stderr, /in the place of 0\.1\.0$/m);
    assert.deepEqual((await readdir(join(prefix, "share/doc/flutter-ci"))).sort(), [
      "LICENSE",
      "NEW",
      "installed-files",
      "made-folders",
      "noise",
    ]);

    const back = await install(folder.path, words(one), { shell });
    assert.deepEqual(
      [back.code, /newer than 0\.1\.0\. .*--downgrade/.test(back.stderr)],
      [1, true],
      back.stderr,
    );
    assert.equal((await install(folder.path, [...words(one), "--downgrade"], { shell })).code, 0);

    const removed = await install(folder.path, ["--uninstall", "--prefix", prefix], { shell });
    assert.equal(removed.code, 0, removed.stderr);
    assert.deepEqual(await readdir(prefix, { recursive: true }), ["bin", "bin/of-somebody-else"]);
    const again = await install(folder.path, ["--uninstall", "--prefix", prefix], { shell });
    assert.deepEqual([again.code, /is not installed in/.test(again.stderr)], [3, true]);
    assert.deepEqual((await readdir(folder.path)).filter((name) => name.startsWith("tmp")), []);
  }
});

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

/** A folder with the tools that the installer needs, and one to download with. */
async function folderOfTools(folder: string, downloader: string | undefined): Promise<string> {
  await mkdir(folder);
  const tools =
    "sh awk cat cp cut find grep gzip head id ln mkdir mktemp mv rm rmdir sed sha256sum sort tail tar tr uname wc"
      .split(" ");
  for (const name of [...tools, ...downloader === undefined ? [] : [downloader]]) {
    const { stdout } = await run("sh", ["-c", `command -v ${name}`]);
    await symlink(stdout.trim(), join(folder, name));
  }
  return folder;
}

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

test("install.sh names what is wrong with its words, and what is missing here", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const from = ["--from", release];
  const cases: [words: string[], code: number, message: RegExp][] = [
    [["--form", "x"], 2, /^error: Unknown word "--form"; see install\.sh --help$/m],
    [["--from"], 2, /^error: --from needs a value/m],
    [[], 2, /^error: Nothing to install from/m],
    [[...from, "--target", "linux-x32"], 2, /^error: Unknown target "linux-x32": expected linux-x64, /m],
    [
      ["--from", "ftp://example.org/x", ...TARGET],
      2,
      /^error: Cannot install from "ftp:\/\/example\.org\/x": expected/m,
    ],
    [["--from", "/nowhere", ...TARGET], 3, /^error: There is no folder "\/nowhere"$/m],
    [["--from", folder.path, ...TARGET], 3, /^error: Cannot get SHA256SUMS from/m],
    [
      [...from, "--target", "darwin-arm64"],
      3,
      /has no flutter-ci for darwin-arm64\. It has: flutter-ci-0\.1\.0-linux-x64/m,
    ],
    [[...from, ...TARGET, "--version", "9.9.9"], 3, /has no flutter-ci 9\.9\.9 for linux-x64/],
    [
      [...from, ...TARGET, "--prefix", "/dev/null/x"],
      3,
      /^error: Cannot write to "\/dev\/null\/x"\. Start this as root/m,
    ],
  ];
  for (const [words, expected, message] of cases) {
    const { code, stderr } = await install(folder.path, words);
    assert.deepEqual([code, message.test(stderr)], [expected, true], `${words.join(" ")}: ${stderr}`);
  }
});

test("install.sh names systems and processors for which there are no programs", async () => {
  await using folder = await temporaryFolder();
  const bin = await folderOfTools(join(folder.path, "bin"), undefined);
  const release = await makeSmallRelease(folder.path, "0.1.0");
  for (
    const [system, machine, message] of [
      ["Linux", "riscv64", /no programs for the processor "riscv64": expected x86_64 or aarch64/],
      ["FreeBSD", "amd64", /no programs for the system "FreeBSD": expected Linux or Darwin/],
    ] as const
  ) {
    const fakes = join(folder.path, machine);
    await mkdir(fakes);
    await writeFile(join(fakes, "uname"), `#!/bin/sh\n[ "$1" = -m ] && echo ${machine} || echo ${system}\n`, {
      mode: 0o755,
    });
    const { code, stderr } = await install(folder.path, ["--from", release], { path: `${fakes}:${bin}` });
    assert.deepEqual([code, message.test(stderr)], [3, true], stderr);
  }
});

test("install.sh cannot tell a C library that it does not know, and names the flag that says it", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  // As on a system that has neither loader.
  const script = join(folder.path, "elsewhere.sh");
  const text = await readFile(installer, "utf8");
  await writeFile(script, text.replaceAll(/\/lib(?:64)?\/ld-(?=linux|musl)/g, "/nowhere/ld-"));
  const prefix = join(folder.path, "prefix");
  const words = ["--from", release, "--prefix", prefix];
  const { code, stderr } = await install(folder.path, words, { script });
  assert.equal(code, 3, stderr);
  assert.match(
    stderr,
    /^error: Cannot tell the C library of this system: .*--target linux-x64 or --target linux-x64-musl$/m,
  );
  assert.equal(existsSync(prefix), false);
  const named = await install(folder.path, [...words, ...TARGET], { script });
  assert.equal(named.code, 0, named.stderr);
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

test("a program that does not start here is not installed", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const tree = join(folder.path, "tree");
  const name = "flutter-ci-0.1.0-linux-x64";
  await writeFile(join(tree, name, "bin/flutter-ci"), "#!/nowhere/sh\n");
  await run("tar", ["-czf", join(release, `${name}.tar.gz`), "-C", tree, name]);
  await writeSums(release);
  const prefix = join(folder.path, "prefix");
  const { code, stderr } = await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET]);
  assert.deepEqual(
    [code, /does not start on this system\. It needs glibc 2\.17/.test(stderr)],
    [3, true],
    stderr,
  );
  assert.deepEqual(await readdir(prefix), []);
});

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

/** Where the installer keeps a download that was cut off. */
async function partOf(folder: string, release: string): Promise<{ part: string; archive: Buffer }> {
  const cache = join(folder, "home/.cache/flutter-ci");
  await mkdir(cache, { recursive: true });
  const [sum] = (await readFile(join(release, "SHA256SUMS"), "utf8")).split(" ");
  const name = "flutter-ci-0.1.0-linux-x64.tar.gz";
  return { part: join(cache, `${name}.${sum}.part`), archive: await readFile(join(release, name)) };
}

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

test("install.sh --uninstall leaves the folders that were there before", async () => {
  await using folder = await temporaryFolder();
  const release = await makeSmallRelease(folder.path, "0.1.0");
  const prefix = join(folder.path, "prefix");
  for (const name of ["bin", "lib", "share/doc"]) await mkdir(join(prefix, name), { recursive: true });
  for (let i = 0; i < 2; i++) {
    assert.equal((await install(folder.path, ["--from", release, "--prefix", prefix, ...TARGET])).code, 0);
  }
  const { code, stderr } = await install(folder.path, ["--uninstall", "--prefix", prefix]);
  assert.equal(code, 0, stderr);
  assert.deepEqual((await readdir(prefix, { recursive: true })).sort(), ["bin", "lib", "share", "share/doc"]);
});

test("install.sh takes the newest version as semver orders them, and takes a candidate for older than its release", async () => {
  await using folder = await temporaryFolder();
  const order = ["0.2.0-rc", "0.2.0-rc.2", "0.2.0-rc.10", "0.2.0", "9.0.0", "10.0.0"];
  for (const [i, version] of order.entries()) {
    const release = await makeSmallRelease(folder.path, version);
    for (const shell of SHELLS) {
      const prefix = join(folder.path, `prefix-${shell[0]}`);
      const words = ["--from", release, "--prefix", prefix, ...TARGET];
      const { code, stderr } = await install(folder.path, words, { shell });
      assert.equal(code, 0, stderr);
      assert.match(stderr, new RegExp(`^Installed flutter-ci ${version} `, "m"));
      const older = order[i - 1];
      if (older === undefined) continue;
      const back = await install(folder.path, [...words, "--version", older], { shell });
      assert.deepEqual([back.code, back.stderr.includes(`newer than ${older}.`)], [1, true], back.stderr);
    }
  }
});
