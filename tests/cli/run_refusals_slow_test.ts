import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeRepository } from "./git-repository.ts";
import { flutterCi, root, runtime, startFlutterCi, startProgram, temporaryFolder } from "./start-program.ts";

test("run refuses wrong usage before anything is started, and says on stdout nothing", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { a: "a" });
  await writeFile(join(folder.path, "signers"), `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}\n`);
  const own = {
    resource: "flutter-builder",
    spec: { image: "theirs", commands: ["make"] },
  };
  await writeFile(join(folder.path, "own.json"), JSON.stringify(own));
  const cases = [
    [["a", "b"], /^error: Unexpected word "b": expected one repository; a command goes after "--"/],
    [[repo, "extra", "--", "make"], /^error: Unexpected word "extra"/],
    [[repo, "--json", "-q"], /^error: Both --json and --quiet were given: expected one of them/],
    [[repo, "-c", "make", "--", "make"], /^error: A command was given twice/],
    [[repo, "--timeout", "soon"], /^error: --timeout: Invalid duration "soon"/],
    [[repo, "--timeout", "0s"], /^error: --timeout: Invalid value "0s": expected more than 0/],
    [[repo, "--memory", "0"], /^error: --memory: Invalid value "0": expected more than 0/],
    [[repo, "--memory", "lots"], /^error: --memory: Invalid size "lots"/],
    [[repo, "--keep", "maybe"], /^error: --keep: Invalid value "maybe": expected never, failure or always/],
    [[repo, "-c", "make", "--docker", "ssh://host"], /^error: .*ssh:\/\/host/],
    [
      [repo, "-c", "make", "--ca", join(repo, "a")],
      /^error: --ca: Cannot use ".*a": It has no certificate in PEM/,
    ],
    [
      [repo, "-c", "make", "--verify-signatures", join(repo, "a")],
      /^error: --verify-signatures: Cannot use ".*a": Line 1 is no allowed signer/,
    ],
    [
      [repo, "-f", join(folder.path, "own.json"), "--verify-signatures", join(folder.path, "signers")],
      /^error: --verify-signatures: The git of the build's image .* a file chooses it: expected a --git-image/,
    ],
    [
      [repo, "-c", "make", "--dirty", "--verify-signatures", join(folder.path, "signers")],
      /^error: .*spec\.dirty: A working tree has no signature/,
    ],
    [["ext::id"], /^error: .*"ext::id"/],
    [["--", "make"], /^error: .*not in a git repository/],
  ] as const;
  for (const [words, expected] of cases) {
    const ended = await flutterCi(["run", "--data", join(folder.path, "data"), ...words], {
      cwd: folder.path,
    });
    assert.equal(ended.stdout, "", words.join(" "));
    assert.match(ended.stderr, expected, words.join(" "));
    assert.equal(ended.code, words.some((word) => word === "ssh://host") ? 3 : 2, words.join(" "));
  }
});

test("run shows nothing of a repository's data as it is that would act on a terminal", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, ".git"), "gitdir: \x1b[2J\x1b]0;owned\x07\u202e\n");
  const { code, stderr } = await flutterCi(["run", "--", "make"], { cwd: folder.path });
  assert.equal(code, 2);
  assert.match(stderr, /points to ".*␛\[2J␛\]0;owned␇�", which is not a git folder\n$/);
});

test("run names every problem of a file on a line of its own", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "build.json");
  await writeFile(
    file,
    JSON.stringify({
      resource: "flutter-builder",
      spec: { repository: "https://x/y", depth: "a", pull: 3, other: 1 },
    }),
  );
  const { code, stderr } = await flutterCi(["run", "-f", file]);
  assert.equal(code, 2);
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines.length, 3 * 3);
  for (const place of ["spec.depth: ", "spec.pull: ", 'spec: unrecognized key: "other"']) {
    assert.equal(lines.filter((line) => line.includes(`: ${place}`)).length, 1, place);
  }
});

test("run takes a pipe, stdin and - for a file, and refuses what has no end", async () => {
  await using folder = await temporaryFolder();
  const resource = 'resource: flutter-builder\\nspec: { repository: "https://x.invalid/y", imag: x }\\n';
  const bash = (line: string) =>
    startProgram("bash", ["-c", line], {
      cwd: folder.path,
      env: {
        F: join(root, "bin/flutter-ci"),
        CONVEYOR_RUNTIME: runtime,
        DOCKER_HOST: "unix:///nonexistent.sock",
      },
    }).ended;
  const cases = [
    [
      `"$F" run -f <(printf '${resource}')`,
      2,
      /^error: [^ ]+:2:44: spec: .*"imag" \(did you mean "image"\?\)\n/,
    ],
    [
      `printf '${resource}' | "$F" run -f -`,
      2,
      /^error: [^ ]+:2:44: spec: .*"imag" \(did you mean "image"\?\)\n/,
    ],
    [
      `printf '${resource}' | "$F" run -f /dev/stdin`,
      2,
      /^error: [^ ]+:2:44: spec: .*"imag" \(did you mean "image"\?\)\n/,
    ],
    [
      `printf '${resource}' >file; "$F" run -f /dev/stdin <file`,
      2,
      /^error: [^ ]+:2:44: spec: .*"imag" \(did you mean "image"\?\)\n/,
    ],
    [`"$F" run -f /dev/zero`, 2, /^error: --file: Cannot read "\/dev\/zero": it is larger than 1 MiB\n$/],
    [`yes | "$F" run -f -`, 2, /^error: --file: Cannot read "-": it is larger than 1 MiB\n$/],
    [`"$F" run -f .`, 2, /^error: --file: Cannot read "\.": EISDIR/],
    [`"$F" run -f - </dev/null`, 2, /^error: --file: The file "-" is empty\n$/],
    [`"$F" run --git-token h.invalid=<(echo token) https://h.invalid/x`, 3, /nonexistent\.sock/],
    [
      `"$F" run --git-token h.invalid=<(true) https://h.invalid/x`,
      2,
      /^error: --git-token: The file .* is empty/,
    ],
  ] as const;
  for (const [line, code, expected] of cases) {
    const ended = await bash(line);
    assert.match(ended.stderr, expected, line);
    assert.equal(ended.code, code, line);
  }
});

test("run that waits for a pipe is cancelled by a signal", async () => {
  await using folder = await temporaryFolder();
  execFileSync("mkfifo", [join(folder.path, "pipe")]);
  await using started = startFlutterCi(["run", "-f", "pipe", "--log-level", "debug"], { cwd: folder.path });
  // The writer's end can be opened once the program waits at the other one.
  await open(join(folder.path, "pipe"), "w").then((writer) => {
    started.kill("SIGTERM");
    return started.ended.finally(() => writer.close());
  });
  const { code, stderr } = await started.ended;
  assert.equal(code, 143, stderr);
  assert.match(stderr, /Cancelled before anything was started/);
});

test("run takes no options of flutter-ci itself", async () => {
  for (const flag of ["-v", "-t", "--version", "--toggle"]) {
    const { code, stdout, stderr } = await flutterCi(["run", "-c", "exit 1", flag]);
    assert.deepEqual([code, stdout], [2, ""], flag);
    assert.match(stderr, new RegExp(`^error: unknown option '${flag}'`));
  }
  assert.equal((await flutterCi(["-t", "completion", "bash"])).code, 0);
});

test("run without Docker says what it tried and what to do", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { a: "a" });
  const words = ["run", repo, "--data", join(folder.path, "data"), "--json", "--", "make"];
  const socket = `unix://${folder.path}/docker.sock`;
  const named = await flutterCi([...words.slice(0, -2), "--docker", socket, "--", "make"]);
  const found = await flutterCi(words, { env: { DOCKER_HOST: socket } });
  for (const { code, stdout, stderr } of [named, found]) {
    assert.equal(code, 3, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`^error: .*${socket}`));
    assert.match(stderr, /--docker or DOCKER_HOST\n$/);
  }
});

test("run refuses a data folder that cannot be one", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { a: "a" });
  await writeFile(join(folder.path, "file"), "");
  const { code, stderr } = await flutterCi(["run", repo, "--data", join(folder.path, "file"), "--", "make"]);
  assert.equal(code, 3);
  assert.match(stderr, new RegExp(`^error: .*${folder.path}/file`));
});

test("run takes its flags from variables, and refuses them by their names", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { a: "a" });
  const bad = await flutterCi(["run", repo], { env: { CONVEYOR_DEPTH: "deep" } });
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /^error: CONVEYOR_DEPTH: Invalid number "deep"/);
  const both = await flutterCi(["run", repo, "--json"], { env: { CONVEYOR_QUIET: "true" } });
  assert.match(both.stderr, /Both --json and --quiet/);
  const fault = await flutterCi(["run", repo, "-c", "make"], { env: { CONVEYOR_FAULT: "nowhere" } });
  assert.equal(fault.code, 2);
  assert.match(fault.stderr, /^error: CONVEYOR_FAULT: Unknown fault point "nowhere": expected one of /);
});
