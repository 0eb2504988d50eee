import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { needing } from "../support/needs.ts";
import { objectsOfRun } from "../support/step-context.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { linesOf, project, runIdOf } from "./run-project.ts";
import { type Ended, flutterCi, startFlutterCi, temporaryFolder } from "./start-program.ts";

const { test } = needing("Docker");

test("run tells a build as event lines, keeps its artifacts, and leaves nothing on the daemon", async () => {
  await using app = await project({
    "src/a.txt": "a\n",
    "Makefile": "all:\n\tcp src/a.txt out.txt; echo built; echo oops >&2\n",
  });
  const ended = await app.run(
    "--json",
    "-c",
    "make",
    "-c",
    "printf no-newline",
    "-c",
    "mkdir sub; ln -s ../out.txt sub/alias.txt",
    "-a",
    "sub",
    "-a",
    "*.txt",
    "-o",
    "kept/here",
  );
  assert.equal(ended.code, 0, ended.stderr);
  const lines = linesOf(ended);
  const [first] = lines;
  assert.deepEqual(Object.keys(first ?? {}), ["type", "run", "resource", "time"]);
  const steps = lines.filter(({ type }) => type === "step").map(({ step, status }) => `${step} ${status}`);
  assert.deepEqual(
    steps,
    ["container-start", "git-cloner", "builder", "container-stop"].flatMap((
      s,
    ) => [`${s} started`, `${s} succeeded`]),
  );
  const logs = lines.filter(({ type }) => type === "log");
  assert.deepEqual(logs.map(({ seq }) => seq), logs.map((_, i) => i + 1));
  for (
    const [stream, message] of [["stdout", "built"], ["stderr", "oops"], ["stdout", "no-newline"]] as const
  ) {
    assert.ok(
      logs.some((log) => log.stream === stream && log.message === message && log.step === "builder"),
      message,
    );
  }
  const end = lines.at(-1) ?? assert.fail();
  const sha256 = createHash("sha256").update("a\n").digest("hex");
  assert.deepEqual({ ...end, seconds: 0 }, {
    type: "end",
    run: first?.run,
    outcome: "succeeded",
    message: end.message,
    seconds: 0,
    lines: logs.length,
    artifacts: [
      { name: "out.txt", path: "out.txt", size: 2, sha256 },
      { name: "sub/alias.txt", path: "out.txt", size: 2, sha256 },
    ],
  });
  assert.equal(await readFile(join(app.path, "repo/kept/here/out.txt"), "utf8"), "a\n");
  assert.equal(await readlink(join(app.path, "repo/kept/here/sub/alias.txt")), "../out.txt");
  const again = join(app.path, "again");
  const saved = await flutterCi([
    "artifacts",
    String(end.run),
    "--data",
    join(app.path, "data"),
    "-o",
    again,
  ]);
  assert.equal(saved.code, 0, saved.stderr);
  assert.equal(await readlink(join(again, "sub/alias.txt")), "../out.txt");
  assert.deepEqual(await objectsOfRun(end.run), []);
});

test("run tells its end although the artifacts cannot be saved, and exits 3", async () => {
  await using app = await project();
  await mkdir(join(app.path, "repo/artifacts/hello.txt"), { recursive: true });
  const ended = await app.run("--json", "-a", "hello.txt", "--", "true");
  assert.equal(ended.code, 3);
  assert.match(
    ended.stderr,
    /error: Cannot save the artifact "hello\.txt" in "artifacts": .*is a folder\n.* flutter-ci artifacts --data .* -o DIR\n/,
  );
  const end = linesOf(ended).at(-1) ?? assert.fail();
  assert.deepEqual([end.type, end.outcome], ["end", "succeeded"]);
  assert.match(String(end.unsaved), /^Cannot save the artifact "hello\.txt" in "artifacts": .*is a folder$/);
});

test("run refuses an --output that is no folder, or lies behind a link, before anything is started", async () => {
  await using app = await project();
  await symlink(app.path, join(app.path, "repo/artifacts"));
  await writeFile(join(app.path, "repo/file"), "");
  for (const output of [[], ["-o", "artifacts/below"], ["-o", "file"], ["-o", join(app.path, "repo/file")]]) {
    const { code, stdout, stderr } = await app.run("--json", "-a", "hello.txt", ...output, "--", "true");
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, /error: Invalid --output ".*": .*folder\n/);
  }
  assert.equal((await readdir(app.path)).includes("hello.txt"), false);
});

test("run shows a failure with what led to it, and exits 1", async () => {
  await using app = await project();
  const { code, stdout, stderr } = await app.run("--", "sh", "-c", "echo first; echo last; exit 7");
  assert.equal(code, 1);
  assert.equal(stderr, "");
  assert.match(stdout, /\n==> builder\n\$ sh -c 'echo first; echo last; exit 7'\nfirst\nlast\n/);
  assert.match(stdout, /\nbuilder +failed +\d+\.\d\d\ncontainer-stop +succeeded /);
  assert.match(stdout, /\nThe last lines before it failed:\n(?: {2}.*\n)* {2}last\n/);
  assert.match(stdout, /\nFailed after .*exited with 7.* \(command-failed\)\nNext: .+\nShow it again: .+\n$/);
});

test("run takes env, secrets and the folder, and masks a secret wherever it is printed", async () => {
  await using app = await project({ "sub/x": "x" });
  await using started = startFlutterCi(
    app.words(
      "--json",
      ...["--workdir", "sub", "-e", "A=1", "-e", "FROM_HERE", "--secret", "TOKEN"],
      ...["--", "sh", "-c", "pwd; echo $A $FROM_HERE; echo key=$TOKEN; test ${#TOKEN} = 11; exit 3"],
    ),
    { cwd: join(app.path, "repo"), env: { FROM_HERE: "two", TOKEN: "hunter2-abc" } },
  );
  const ended = await started.ended;
  const messages = linesOf(ended).filter(({ type }) => type === "log").map(({ message }) => message);
  assert.ok(messages.includes("/workspace/sub"));
  assert.ok(messages.includes("1 two"));
  assert.ok(messages.some((message) => message.startsWith("key=")));
  assert.equal(`${ended.stdout}${ended.stderr}`.includes("hunter2-abc"), false);
  assert.equal(linesOf(ended).at(-1)?.reason, "command-failed");
  assert.match(String(linesOf(ended).at(-1)?.message), /exited with 3/);
  assert.equal(ended.code, 1);
});

test("run exits 1 for a missing ref or image, with the reason in its last line", async () => {
  await using app = await project();
  const cases = [
    [["--ref", "no-such-branch"], "ref-not-found"],
    [["--image", "conveyor.invalid/none:1"], "image-not-found"],
    [["-a", "*.nothing"], "artifact-failed"],
  ] as const;
  for (const [flags, reason] of cases) {
    const ended = await app.run("--json", ...flags, "--", "true");
    assert.equal(ended.code, 1, reason);
    assert.equal(linesOf(ended).at(-1)?.reason, reason);
  }
});

test("run says of a repository without a commit that it needs one", async () => {
  await using app = await project();
  execFileSync("git", ["-C", join(app.path, "repo"), "checkout", "-q", "--orphan", "empty"]);
  const { code, stdout, stderr } = await app.run("--", "true");
  assert.equal(code, 1, stderr);
  assert.match(
    stdout,
    /: The repository has no commit at its HEAD .*\nNext: .*A repository without a commit needs one first\n/,
  );
});

test("run says of an image that is not here whether it can be had, and what is here under a name like it", async () => {
  await using app = await project();
  const image = `${TEST_IMAGE}x`;
  const here = `. On this host there is "${TEST_IMAGE}"`;
  const never = await app.run("--image", image, "--", "true");
  assert.ok(
    never.stdout.includes(
      `The image "${image}" is not on this host, and the build says never to pull${here}`,
    ),
  );
  const pulled = await app.run("--image", `localhost:1/${image}`, "--pull", "missing", "--", "true");
  assert.ok(
    pulled.stdout.includes(`The image "localhost:1/${image}" is not on this host, and it cannot be pulled: `),
  );
  assert.match(pulled.stdout, /On this host there is "/);
  const { stdout } = await flutterCi(["complete", "--", "run", "--image", TEST_IMAGE.slice(0, -1)]);
  assert.ok(stdout.split("\n").includes(TEST_IMAGE), stdout);
});

test("run succeeds though the folder for temporary files is missing", async () => {
  await using app = await project();
  const ended = await startFlutterCi(app.words("--json", "--", "sleep", "1"), {
    cwd: join(app.path, "repo"),
    env: { TMPDIR: "/nonexistent" },
  }).ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(linesOf(ended).at(-1)?.type, "end");
});

test("run quietly says the outcome, and warns of what is not committed", async () => {
  await using app = await project();
  const dirty = await app.run("-q", "--", "sh", "-c", "touch x");
  assert.match(dirty.stdout, /^Succeeded in [\d.]+ s\n$/);
  assert.equal(dirty.stderr, "");
  execFileSync("touch", [join(app.path, "repo/forgotten")]);
  const warned = await app.run("-q", "--", "sleep", "1");
  assert.equal(warned.stderr, "warning: Not committed, so not built: forgotten\n");
});

test("run warns of no artifacts of its own, and says so when a folder was named that commands do not run in", async () => {
  await using app = await project({ "packages/my app/a": "a\n" });
  const keeping = ["-a", "*.txt", "-c", "echo a >kept.txt; sleep 1"];
  const there = await app.run("-q", "--workdir", "packages/my app", ...keeping);
  assert.deepEqual([there.code, there.stderr], [0, ""]);
  assert.deepEqual(await readdir(join(app.path, "repo/artifacts")), ["kept.txt"]);
  const atTop = await flutterCi(app.words("-q", "-c", "test -d packages; sleep 1"), {
    cwd: join(app.path, "repo/packages/my app"),
  });
  const said =
    "Commands run at the top of the repository, not in packages/my app; to run them there: --workdir 'packages/my app'\n";
  assert.deepEqual([atTop.code, atTop.stderr], [0, said]);
});

test("run gives a script one shell, bash where the spec says so, and the variables of a file", async () => {
  await using app = await project({ "env": "COLOUR=light blue\n" });
  const file = join(app.path, "build.yaml");
  const lines = ["cd /tmp", "export X=1", 'echo "$PWD $X $COLOUR"', "false | true", "echo never"];
  await writeFile(
    file,
    `resource: flutter-builder\nspec:\n  script: |\n${lines.map((line) => `    ${line}\n`).join("")}`,
  );
  const words = ["--json", "-f", file, "--env-file", "env"];
  const saidBy = (ended: Ended) =>
    linesOf(ended).filter(({ stream }) => stream === "stdout").map(({ message }) => message);
  const sh = await app.run(...words);
  assert.deepEqual([sh.code, saidBy(sh)], [0, ["/tmp 1 light blue", "never"]], sh.stderr);
  const bash = await app.run(...words, "--set", "spec.shell=bash");
  assert.deepEqual([bash.code, saidBy(bash)], [1, ["/tmp 1 light blue"]], bash.stderr);
});

test("run builds as the repository's own file says, and records that with the build", async () => {
  const file = "resource: flutter-builder\nspec:\n  commands: ['echo $COLOUR >a.txt']\n" +
    "  artifacts: [a.txt]\n  env: [{ name: COLOUR, value: red }]\n";
  await using app = await project({ ".conveyor.yaml": file });
  await writeFile(join(app.path, "repo/.conveyor.yaml"), "not committed");
  const ended = await app.run("--json", "-e", "COLOUR=blue", "-o", join(app.path, "out"));
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /^Building as \.conveyor\.yaml of the commit [0-9a-f]{12} says\n/);
  assert.equal(await readFile(join(app.path, "out/a.txt"), "utf8"), "blue\n");
  const { spec } = linesOf(ended)[0]?.resource as { spec: { commands: unknown } };
  assert.deepEqual(spec.commands, ["echo $COLOUR >a.txt"]);
});

test("run --dirty builds the working tree as it is, says so in its log and record, and leaves nothing of it behind", async () => {
  await using app = await project({ "a": "committed\n", "gone": "x\n", ".gitignore": "ignored\n" });
  const repo = join(app.path, "repo");
  for (const name of ["a", "new", "ignored"]) await writeFile(join(repo, name), `${name}\n`);
  await rm(join(repo, "gone"));
  const temporary = join(app.path, "tmp");
  await mkdir(temporary);
  const words = app.words("--dirty", "--json", "-c", "ls; cat a; git status --short; echo $CONVEYOR_DIRTY");
  const ended = await startFlutterCi(words, { cwd: repo, env: { TMPDIR: temporary } }).ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stderr, "Building the working tree as it is: 3 files are not committed\n");
  const lines = linesOf(ended);
  const said = lines.filter(({ step, stream }) => step === "builder" && stream === "stdout");
  assert.deepEqual(said.map(({ message }) => message), ["a", "new", "a", "true"]);
  const cloning = lines.find(({ message }) => message?.startsWith("Cloning"))?.message;
  assert.match(cloning ?? "", /: the working tree, with 3 uncommitted files, as the commit [0-9a-f]{12}$/);
  assert.equal((lines[0]?.resource as { spec: { dirty: boolean } }).spec.dirty, true);
  assert.deepEqual((await readdir(temporary)).filter((name) => name.startsWith("conveyor-")), []);
});

test("run builds what was committed when it was typed, whatever is committed meanwhile", async () => {
  await using app = await project({ "a": "typed\n" });
  const started = app.start("--json", "-c", "cat a; echo $CONVEYOR_REF; git status --branch --short");
  await runIdOf(started);
  const repo = join(app.path, "repo");
  execFileSync("sh", [
    "-c",
    "echo later >a && git -c user.name=t -c user.email=t@localhost commit -qam later",
  ], { cwd: repo });
  const ended = await started.ended;
  assert.equal(ended.code, 0, ended.stderr);
  const said = linesOf(ended).filter(({ stream }) => stream === "stdout").map(({ message }) => message);
  assert.deepEqual(said, ["typed", "refs/heads/main", "## main"]);
});

test("run builds what is committed, from a folder below the top, with no git on this machine", async () => {
  await using app = await project({ "sub/a": "committed\n" });
  execFileSync("sh", ["-c", `echo changed > '${join(app.path, "repo/sub/a")}'`]);
  const { code, stdout, stderr } = await flutterCi(app.words("--", "cat", "sub/a"), {
    cwd: join(app.path, "repo/sub"),
    env: { PATH: dirname(process.execPath) },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\ncommitted\n/);
  assert.deepEqual(await readdir(join(app.path, "repo")), [".git", "sub"]);
});

test("run says before it pulls anything that it takes a repository elsewhere for a Flutter application", async () => {
  await using folder = await temporaryFolder();
  const words = [
    "run",
    "--pull",
    "never",
    "--data",
    join(folder.path, "data"),
    "https://git.example.org/app.git",
  ];
  const { code, stderr } = await flutterCi(words);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /Nothing says what to run, so it is built as a Flutter application: .* or name the file with -f$/m,
  );
});
