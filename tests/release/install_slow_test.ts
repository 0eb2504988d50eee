import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../cli/start-program.ts";
import { run } from "./made-release.ts";
import { makeSmallRelease, writeSums } from "./small-release.ts";
import { folderOfTools, install, installer, SHELLS, TARGET } from "./installing.ts";

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
