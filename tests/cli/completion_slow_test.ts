import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { answered } from "./answered.ts";
import { git, makeRepository } from "./git-repository.ts";
import { flutterCi, root, runtime, temporaryFolder } from "./start-program.ts";

/** What is suggested for the last word, and whether files may stand there as well. */
async function suggested(...words: string[]): Promise<{ values: string[]; files: boolean }> {
  const { code, stdout, stderr } = await answered(["complete", "--", ...words]);
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  return { files: lines.pop() === ":0", values: lines.map((line) => line.split("\t")[0] ?? "") };
}

test("completion suggests commands, each with what it is for", async () => {
  assert.deepEqual((await suggested("co")).values, ["container-start", "container-stop", "completion"]);
  const { stdout } = await flutterCi(["complete", "--", "ru"]);
  assert.equal(stdout, "run\tBuild a repository on this machine, once\nruns\tList runs\n:4\n");
});

test("completion suggests flags, the words that a flag takes, and shells", async () => {
  assert.deepEqual(await suggested("run", "--su"), { values: ["--submodules"], files: false });
  assert.deepEqual(await suggested("run", "--pull", ""), {
    values: ["missing", "always", "never"],
    files: false,
  });
  assert.deepEqual((await suggested("builder", "--nats-")).values, [
    "--nats-creds",
    "--nats-user",
    "--nats-password-file",
    "--nats-token-file",
    "--nats-nkey-file",
    "--nats-tls-first",
  ]);
  assert.deepEqual((await suggested("completion", "")).values, ["bash", "zsh", "fish"]);
});

test("completion suggests what a command has commands for, and what help explains", async () => {
  assert.deepEqual(await suggested("new", ""), { values: ["driver"], files: false });
  assert.deepEqual((await suggested("new", "driver", "--pa")).values, ["--package"]);
  assert.deepEqual((await suggested("new", "--he")).values, ["--help"]);
  assert.deepEqual(await suggested("help", "ru"), { values: ["run", "runs"], files: false });
});

test("completion leaves it to the shell where files may stand", async () => {
  assert.deepEqual(await suggested("run", ""), { values: [], files: true });
  assert.deepEqual(await suggested("run", "-f", ""), { values: [], files: true });
  assert.deepEqual(await suggested("run", "--output", "a"), { values: [], files: true });
  assert.deepEqual(await suggested("run", "--", "make", ""), { values: [], files: true });
  // No suggestion fits, and no file either.
  assert.deepEqual(await suggested("run", "--ref", "no such"), { values: [], files: false });
});

test("completion does not suggest what is not for people", async () => {
  const { values } = await suggested("");
  assert.equal(values.includes("complete"), false);
  assert.deepEqual(values.includes("run"), true);
});

test("completion takes a flag and its value as one word too", async () => {
  assert.deepEqual(await suggested("run", "--pull=mi"), { values: ["--pull=missing"], files: false });
  assert.deepEqual(await suggested("run", "--file="), { values: [], files: true });
});

test("completion suggests the refs of the repository in this folder, and drivers after commas", async () => {
  await using folder = await temporaryFolder();
  makeRepository(folder.path, { "a": "a" });
  git(folder.path, "tag", "v1");
  git(folder.path, "branch", "feature/x");
  // bash puts what is suggested on the line as it is.
  git(folder.path, "branch", "$(touch${IFS}mark)");
  git(folder.path, "branch", "a;b");
  const { stdout } = await flutterCi(["complete", "--", "run", "--ref", ""], { cwd: folder.path });
  assert.deepEqual(stdout.split("\n").sort(), ["", ":4", "feature/x", "main", "v1"]);
  const one = await flutterCi(["complete", "--", "run", "--ref=v"], { cwd: folder.path });
  assert.equal(one.stdout, "--ref=v1\n:4\n");
  assert.deepEqual(await suggested("run", "--keep=f"), { values: ["--keep=failure"], files: false });
  assert.deepEqual((await suggested("up", "--drivers", "builder,co")).values, [
    "builder,container-start",
    "builder,container-stop",
  ]);
  assert.deepEqual((await suggested("up", "--drivers", "")).values.slice(0, 2), ["all", "none"]);
});

test("completion takes the repository and the Docker that stand on the line, and runs and asks nothing else", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  makeRepository(path, { "a": "a" });
  for (const [name, tag] of [["other", "v2"], ["home", "v3"]] as const) {
    makeRepository(join(path, name), { "a": "a" });
    git(join(path, name), "tag", tag);
  }
  const mark = join(path, "mark");
  const ask = async (...words: string[]) => {
    const env = { HOME: join(path, "home"), DOCKER_HOST: `unix://${path}/none.sock` };
    const { stdout, stderr } = await flutterCi(["complete", "--", ...words], { cwd: path, env });
    return stdout.split("\n").slice(0, -2).join(" ") + stderr;
  };
  assert.equal(await ask("run", "./other", "--ref", "v"), "v2");
  assert.equal(await ask("run", "-c", "./home", "--image", "x", "other", "--ref=v"), "--ref=v2");
  assert.equal(await ask("run", "~", "--ref", ""), "main v3");
  assert.equal(await ask("run", "--ref", "m"), "main");
  for (
    const operand of [
      "https://127.0.0.1:1/x.git",
      `$(touch ${mark})`,
      `ext::touch ${mark}`,
      "nowhere",
      `;touch ${mark}`,
    ]
  ) {
    assert.equal(await ask("run", operand, "--ref", ""), "", operand);
  }
  assert.equal(existsSync(mark), false);

  const socketPath = join(path, "d.sock");
  const asked: string[] = [];
  const daemon = createServer((request, response) => {
    asked.push(request.url ?? "");
    const isImages = request.url?.includes("/images/json");
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(isImages ? [{ Id: "sha256:1", RepoTags: ["far:1"] }] : { ID: "d" }));
  });
  await new Promise<void>((resolve) => daemon.listen(socketPath, resolve));
  try {
    const endpoint = `unix://${socketPath}`;
    assert.equal(await ask("run", "--docker", endpoint, "--image", ""), "far:1");
    assert.equal(await ask("run", `--docker=${endpoint}`, "--image=f"), "--image=far:1");
    assert.equal(await ask("run", "--docker", "unix:///nowhere", "--image", ""), "");
    // As a command's word, it is none of ours.
    const before = asked.length;
    assert.equal(await ask("run", "--", "--docker", endpoint, "--image", ""), "");
    assert.equal(asked.length, before);
  } finally {
    daemon.closeAllConnections();
    daemon.close();
  }
});

test("completion suggests nothing, and says nothing, where Docker or a repository is missing", async () => {
  await using folder = await temporaryFolder();
  for (const flag of ["--image", "--ref"]) {
    const ended = await flutterCi(["complete", "--", "run", flag, ""], {
      cwd: folder.path,
      env: { DOCKER_HOST: `unix://${folder.path}/none.sock` },
    });
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, ":4\n", ""]);
  }
});

test("completion bash makes bash complete our words", async () => {
  await using folder = await temporaryFolder();
  const { stdout: script } = await flutterCi(["completion", "bash"]);
  const file = join(folder.path, "script");
  await writeFile(
    file,
    `${script}
COMP_WORDS=(flutter-ci run --submo); COMP_CWORD=2; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
COMP_WORDS=(flutter-ci com); COMP_CWORD=1; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
COMP_WORDS=(flutter-ci run --pull =); COMP_CWORD=3; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
COMP_WORDS=(flutter-ci run --pull = mi); COMP_CWORD=4; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
COMP_WORDS=(flutter-ci run --image gcc : 14 --submo); COMP_CWORD=6; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
complete -p flutter-ci
`,
  );
  const { stdout } = await promisify(execFile)("bash", ["--norc", file], {
    env: { PATH: `${join(root, "bin")}:${process.env.PATH}`, CONVEYOR_RUNTIME: runtime },
  });
  assert.equal(
    stdout,
    "--submodules\ncompletion\nmissing always never\nmissing\n--submodules\ncomplete -o default -F __flutter_ci_complete flutter-ci\n",
  );
});

test("completion bash runs nothing of the line, and prints nothing however often it is sourced", async () => {
  await using folder = await temporaryFolder();
  const { stdout: script } = await flutterCi(["completion", "bash"]);
  await writeFile(join(folder.path, "script"), script);
  const mark = join(folder.path, "mark");
  // In the place of the program, whose own answers to such words another test has.
  const asked = join(folder.path, "asked");
  const program = `#!/bin/sh\nfor word; do last=$word; echo "$word" >>${asked}; done\n`;
  await writeFile(join(folder.path, "flutter-ci"), `${program}[ "$last" = --submo ] && echo --submodules\n`, {
    mode: 0o755,
  });
  const evil = [
    `$(touch ${mark})`,
    `\`touch ${mark}\``,
    `"$(touch ${mark})"`,
    `;touch ${mark};`,
    `<(touch ${mark})`,
    `a[$(touch ${mark})]`,
  ];
  await writeFile(
    join(folder.path, "lines"),
    `source ./script; source ./script
for word in ${evil.map((word) => `'${word}'`).join(" ")}; do
  COMP_WORDS=(flutter-ci run "$word" --submo); COMP_CWORD=3; __flutter_ci_complete; echo "\${COMPREPLY[@]}"
  COMP_WORDS=(flutter-ci "$word"); COMP_CWORD=1; __flutter_ci_complete
  COMP_WORDS=(flutter-ci run --pull "$word"); COMP_CWORD=3; __flutter_ci_complete
done
true
`,
  );
  const { stdout, stderr } = await promisify(execFile)("bash", ["--norc", "lines"], {
    cwd: folder.path,
    env: { PATH: `${folder.path}:${process.env.PATH}` },
  });
  assert.deepEqual([stdout, stderr], ["--submodules\n".repeat(6), ""]);
  assert.equal(existsSync(mark), false);
  const words = (await readFile(asked, "utf8")).split("\n");
  for (const word of evil) assert.equal(words.filter((given) => given === word).length, 3, word);
  for (const word of evil) {
    const { code, stderr } = await answered(["complete", "--", "run", word, "--submo"]);
    assert.deepEqual([code, stderr], [0, ""]);
  }
  assert.equal(existsSync(mark), false);
});

test("completion has a script for zsh and for fish, which evaluate nothing either", async () => {
  const zsh = await flutterCi(["completion", "zsh"]);
  assert.match(zsh.stdout, /^#compdef flutter-ci\n/);
  const fish = await flutterCi(["completion", "fish"]);
  assert.match(fish.stdout, /complete -c flutter-ci/);
  for (const { stdout } of [zsh, fish]) assert.doesNotMatch(stdout, /\beval\b|compgen -W|readonly/);
});
