import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeRepository } from "../cli/git-repository.ts";
import { root, startProgram, temporaryFolder } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker");

const image = process.env.CONVEYOR_TEST_IMAGE ?? "conveyor-build:bookworm";
const execute = promisify(execFile);

/** What the tests share: a folder with the compiled programs. */
const shared: { folder?: AsyncDisposable & { path: string } } = {};
before(async () => void (shared.folder = await temporaryFolder()));
after(() => shared.folder?.[Symbol.asyncDispose]());

/** The folder in which `flutter-ci` and `builder` are as single files, which the first caller makes. */
async function compiled(): Promise<string> {
  const folder = shared.folder?.path ?? "";
  if (!existsSync(join(folder, "builder"))) {
    await execute(join(root, "scripts/build"), [folder, "flutter-ci", "builder"]);
  }
  return folder;
}

test("a compiled program works in a root without Node.js, Bun and Deno, and reads nothing of its folder", async () => {
  await using folder = await temporaryFolder();
  const dist = await compiled();
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

  // The daemon's socket, so that it can do its work from in there; the container of the build is the daemon's
  // as well.
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
    /dist/builder --wait 0 || echo "exit $?"
    /dist/flutter-ci run --image ${image} --pull never -a '*.txt' -o /repo/kept -- cp hello.txt copy.txt`,
  ]);
  const [first = "", second, third, fourth = ""] = stdout.split("\n");
  assert.ok(first.startsWith(`${version} (commit `), stdout);
  assert.equal(second, first);
  assert.equal(third, "exit 3");
  assert.ok(fourth.startsWith("run "), stdout);
  assert.match(stdout, /\nSucceeded in .*\nShow it again: .*\n$/);
  assert.deepEqual(await readdir(join(repo, "kept")), ["copy.txt", "hello.txt"]);
  assert.equal((await readdir(repo)).includes("MARK"), false);
});

test("whoever may not use Docker's socket is told which group may", async () => {
  const { stdout } = await execute("docker", [
    ...["run", "--rm", "--network", "none", "--volume", `${await compiled()}:/dist:ro`, image, "sh", "-c"],
    `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "/var/run/docker.sock", Listen => 1) or die'
    chmod 660 /var/run/docker.sock
    groupadd -g 4242 whales
    for group in whales 4343 root; do
      chgrp $group /var/run/docker.sock
      HOME=/tmp setpriv --reuid 65534 --regid 65534 --clear-groups \\
        /dist/flutter-ci run --data /tmp/data --image a -c true https://git.example.org/a.git 2>&1
      echo "exit $?"
    done`,
  ]);
  const said = stdout.split("\n").filter((line) => !line.startsWith("error: "));
  const instead = ", or name a daemon that you may use with --docker or DOCKER_HOST.";
  const ways = [
    "Add yourself to the group whales",
    "Add yourself to the group with the number 4343",
    "Start this as root",
  ];
  assert.deepEqual(said, [...ways.flatMap((way) => [way + instead, "exit 3"]), ""]);
  assert.match(
    stdout,
    /^error: Cannot find Docker; tried unix:\/\/\/var\/run\/docker\.sock \(permission denied\), /,
  );
});

test("a build goes on to its end when its program is replaced while it runs, and the new one starts", async () => {
  await using folder = await temporaryFolder();
  const program = join(folder.path, "flutter-ci");
  await copyFile(join(await compiled(), "flutter-ci"), program);
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "hello.txt": "hello\n" });
  const words = [
    ...[
      "run",
      "--image",
      image,
      "--pull",
      "never",
      "--data",
      join(folder.path, "data"),
      "-o",
      join(folder.path, "kept"),
    ],
    ...["-a", "*.txt", "-c", "echo begun; while [ ! -e /tmp/go ]; do sleep 0.1; done", repo],
  ];
  await using running = startProgram(program, words);
  await running.said("begun");
  const [, run] = /^run (\S+)$/m.exec(running.output()) ?? [];
  // As install.sh and dpkg do it: the new file takes the name of the old one, in one move.
  await writeFile(`${program}.new`, "#!/bin/sh\necho the new one\n", { mode: 0o755 });
  await rename(`${program}.new`, program);
  assert.equal((await execute(program, ["--version"])).stdout, "the new one\n");
  const { stdout: container } = await execute("docker", ["ps", "-qf", `label=conveyor.run=${run}`]);
  await execute("docker", ["exec", container.trim(), "touch", "/tmp/go"]);
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, running.output() + stderr);
  assert.deepEqual(await readdir(join(folder.path, "kept")), ["hello.txt"]);
});

test("a compiled program answers help early with what the whole program says, whatever the screen", async () => {
  const dist = await compiled();
  const { stdout } = await execute(join(dist, "flutter-ci"), ["--help"]);
  const listed = Array.from(stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm), ([, name = ""]) => name);
  assert.equal(listed.length, 21, stdout);
  const drivers = listed.filter((name) => /^container-|^git-|^builder$/.test(name));
  const few = ["./flutter-ci", "./flutter-ci run", "./builder"];
  const all = [
    ...few,
    ...[...listed, "new driver"].map((command) => `./flutter-ci ${command}`),
    ...drivers.map((name) => `exec -a ${name} ./flutter-ci`),
  ];
  const TERM = "xterm-256color";
  const screens = [
    { env: { FORCE_COLOR: "1" }, calls: all },
    { env: { TERM }, columns: 61, calls: all },
    { env: {}, calls: few },
    { env: { TERM, NO_COLOR: "1" }, columns: 133, calls: few },
  ];
  for (const { env, columns, calls } of screens) {
    const shown = async (flags: string) => {
      const line = `for call in ${
        calls.map((call) => `"${call}"`).join(" ")
      }; do (eval "$call ${flags}"); done`;
      const [word, ...words] = columns === undefined
        ? ["bash", "-c", line]
        : ["script", "-qec", `stty cols ${columns}; exec bash -c '${line}'`, "/dev/null"];
      return (await startProgram(word ?? "", words, { env, cwd: dist }).ended).stdout;
    };
    // Asked for twice, it is not answered early.
    const [early, whole] = await Promise.all([shown("--help"), shown("--help -h")]);
    assert.equal(early, whole);
    assert.equal(early.split("Examples:").length - 1, calls.length);
    assert.equal(early.includes("\x1b[1m"), calls === all);
  }
  // Only the whole program looks at the caller's folder.
  const env = { CONVEYOR_STARTED_IN: "/nonexistent" };
  for (const program of ["flutter-ci", "builder"]) {
    const { code } = await startProgram(join(dist, program), ["--help"], { env }).ended;
    assert.equal(code, 0, `${program} --help was not answered early`);
  }
});

test("the demo builds zlib with a compiled program", async () => {
  await using folder = await temporaryFolder();
  // Compiled without optimization, it takes half the time.
  const program = join(folder.path, "flutter-ci");
  await writeFile(program, `#!/bin/sh\nexec ${await compiled()}/flutter-ci "$@" -e CFLAGS=-O0\n`, {
    mode: 0o755,
  });
  const output = join(folder.path, "artifacts");
  const { stdout, stderr } = await execute(join(root, "scripts/demo"), [], {
    env: {
      ...process.env,
      FLUTTER_CI: program,
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
  assert.match(stdout, /\nSucceeded in .*\nShow it again: .*\n$/);
  const files = await readdir(output);
  for (const name of ["libz.a", "libz.so"]) assert.ok(files.includes(name), files.join());
});
