import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { answered } from "./answered.ts";
import { flutterCi, root, runtime, startProgram } from "./start-program.ts";

const COMMANDS = [
  "run",
  "submit",
  "init",
  "builder",
  "container-start",
  "container-stop",
  "git-cloner",
  "up",
  "runs",
  "show",
  "logs",
  "artifacts",
  "cancel",
  "retry",
  "apply",
  "delete",
  "new",
  "doctor",
  "gc",
  "completion",
  "help",
];
const GROUPS = ["Build", "Drivers", "Serve", "Inspect", "Author", "Maintain"];

test("flutter-ci says what it is and which commands there are, by what they are for", async () => {
  const { code, stdout, stderr } = await flutterCi(["--help"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const lines = stdout.split("\n");
  assert.equal(lines[0], "Flutter CI is a continuous integration tool for Flutter applications.");
  assert.ok(stdout.includes("Usage:  flutter-ci [flags]\n        flutter-ci [command]\n"));
  const listed = lines.filter((line) => /^ {2}[a-z]/.test(line)).map((line) => line.trim().split(" ")[0]);
  assert.deepEqual(listed, COMMANDS);
  assert.deepEqual(lines.filter((line) => GROUPS.includes(line)), GROUPS);
  assert.match(stdout, /-h, --help.*\n/);
  assert.match(stdout, /-t, --toggle .*does nothing/);
  assert.match(stdout, /-v, --version/);
});

test("flutter-ci without a command, -h, -t, help and help for nothing all say the same", async () => {
  const { stdout } = await flutterCi(["--help"]);
  assert.deepEqual(await answered(["--help"]), { code: 0, stdout, stderr: "" });
  for (const words of [[], ["-h"], ["-t"], ["--toggle"], ["help"]]) {
    const ended = await flutterCi(words);
    assert.equal(ended.code, 0, words.join(" "));
    assert.equal(ended.stdout, stdout, words.join(" "));
  }
});

test("flutter-ci prints the version of package.json, -t or not", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const words of [["-v"], ["--version"], ["-t", "-v"]]) {
    assert.deepEqual(await flutterCi(words), { code: 0, stdout: `${version}\n`, stderr: "" });
  }
});

test("a program's version is there for tools too, as JSON", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const { code, stdout } = await flutterCi(["--version", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { name: "flutter-ci", version, commit: null, target: null });
  assert.equal((await flutterCi(["--json"])).code, 2);
});

test("every command has examples in its help, which help NAME prints too", async () => {
  for (const name of COMMANDS) {
    const { code, stdout, stderr } = await answered([name, "--help"]);
    assert.equal(code, 0, name);
    assert.equal(stderr, "", name);
    assert.match(stdout, new RegExp(`\\nExamples:\\n  # .+\\n  \\$ .*flutter-ci ${name}`), name);
    assert.equal((await answered(["help", name])).stdout, stdout, name);
  }
});

test("a standalone driver's help is that of the subcommand", async () => {
  const env = { CONVEYOR_RUNTIME: runtime };
  const refused = ["run", "--tiemout", "3s"];
  assert.deepEqual(await flutterCi(refused), await answered(refused));
  const own = await startProgram(join(root, "bin/builder"), ["--help"], { env }).ended;
  const { stdout } = await flutterCi(["builder", "--help"]);
  const withoutOwn = own.stdout.replace(/^ {2}(?:-v, --version|--licenses) .*\n/gm, "");
  assert.equal(withoutOwn, stdout.replaceAll("flutter-ci builder", "builder"));
});

test("help fits a terminal of 60 columns, and a pipe gets its lines whole", async () => {
  const width = (text: string) =>
    // deno-lint-ignore no-control-regex
    Math.max(...text.split(/\r?\n/).map((line) => line.replace(/\x1b\[\d+m/g, "").length));
  for (const words of ["", "run", "up", "builder", "gc", "new driver"]) {
    const line = `stty cols 60; ${join(root, "bin/flutter-ci")} ${words} --help`;
    const shown = await startProgram("script", ["-qec", line, "/dev/null"], {
      env: { CONVEYOR_RUNTIME: runtime },
    }).ended;
    assert.equal(shown.code, 0, shown.stdout);
    assert.ok(width(shown.stdout) <= 60, `${words}: ${width(shown.stdout)}`);
    assert.ok(shown.stdout.includes("Examples:"));
  }
  const { stdout } = await answered(["run", "--help"]);
  assert.match(
    stdout,
    /\n {2}\$ flutter-ci run --image gcc:14 -c \.\/configure -c make -a 'libz\.\*' https:.*\n/,
  );
});

test("every flag of run that is promised is in its help", async () => {
  const { stdout } = await answered(["run", "--help"]);
  const promised = [
    "-f, --file",
    "--ref",
    "--depth",
    "--submodules",
    "--dirty",
    "--image",
    "--pull",
    "-c, --command",
    "--workdir",
    "--cache",
    "--cache-age",
    "--cache-scope",
    "--cache-max",
    "-e, --env",
    "--env-file",
    "--set",
    "--secret",
    "-a, --artifact",
    "--artifact-always",
    "-o, --output",
    "--timeout",
    "--grace",
    "--cpus",
    "--memory",
    "--pids",
    "--network",
    "--user",
    "--max-log",
    "--max-artifacts",
    "--ca",
    "--lfs",
    "--verify-signatures",
    "--git-mirror",
    "--git-token",
    "--git-image",
    "--git-known-hosts",
    "--git-well-known-hosts",
    "--docker",
    "--driver",
    "--watch",
    "--keep",
    "--data",
    "--json",
    "-q, --quiet",
    "--log-level",
    "--log-format",
  ];
  const listed = [...stdout.matchAll(/^ {2}((?:-\w, )?--[a-z-]+)/gm)].map(([, name]) => name);
  assert.deepEqual(listed.toSorted(), ["-h, --help", ...promised].toSorted());
});

test("every flag of up and of submit that is promised is in its help", async () => {
  const flagsOf = async (command: string) => {
    const { stdout } = await answered([command, "--help"]);
    return [...stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, name]) => name ?? "");
  };
  const [run, submit, up, driver] = [
    await flagsOf("run"),
    await flagsOf("submit"),
    await flagsOf("up"),
    await flagsOf("builder"),
  ];
  const ofTheMachine = [
    "cache-age",
    "cache-max",
    "docker",
    "driver",
    "watch",
    "git-image",
    "git-known-hosts",
    "git-mirror",
    "git-well-known-hosts",
  ];
  const ofTheApi = ["api", "token-file", "tls-ca", "detach", "pipeline"];
  assert.deepEqual(
    submit?.toSorted(),
    // Where Docker is, and what clones there, the operators of the drivers say: those flags are refused with
    // a word why.
    [...run?.filter((name) => !ofTheMachine.includes(name)) ?? [], ...ofTheApi].toSorted(),
  );
  const ofADriver = [
    "api",
    "max-event-age",
    "keep-artifacts",
    "max-stored",
    "register",
    "resource",
    "concurrency",
    "health",
  ];
  const ofUp = [
    "drivers",
    "listen",
    "data",
    "replicas",
    "keep-runs",
    "keep-logs",
    "cors",
    "foreign-driver",
    "max-queued",
    "max-runs",
    "max-runs-each",
    "driver",
  ];
  assert.deepEqual(
    up?.toSorted(),
    [...driver?.filter((name) => !ofADriver.includes(name)) ?? [], ...ofUp].toSorted(),
  );
});

test("a mistyped command or flag is refused with the nearest name", async () => {
  const cases = [
    [["rnu"], /unknown command 'rnu'\n\(Did you mean run\?\)/],
    [["help", "bilder"], /unknown command 'bilder'\n\(Did you mean builder\?\)/],
    [["run", "--tiemout", "3s"], /unknown option '--tiemout'\n\(Did you mean --timeout\?\)/],
    [["container-start", "--nast", "x"], /unknown option '--nast'\n\(Did you mean --nats\?\)/],
    [["--versoin"], /unknown option '--versoin'\n\(Did you mean --version\?\)/],
    [["completion", "tcsh"], /'tcsh' is invalid.*bash, zsh, fish/],
    [["run", "--image"], /option '--image <image>' argument missing/],
  ] as const;
  for (const [words, expected] of cases) {
    const { code, stdout, stderr } = await answered(words);
    assert.equal(code, 2, words.join(" "));
    assert.equal(stdout, "", words.join(" "));
    assert.match(stderr, expected, words.join(" "));
    assert.match(stderr, /See "flutter-ci.* --help"\n$/, words.join(" "));
  }
});

test("submit refuses what only the operators of the drivers may say, with a word why", async () => {
  for (
    const [name, value] of [["--cache-max", "1g"], ["--cache-age", "1d"], ["--git-mirror", "off"], [
      "--docker",
      "x",
    ]]
  ) {
    const { code, stderr } = await answered([
      "submit",
      "https://example.org/a.git",
      name ?? "",
      value ?? "",
    ]);
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      new RegExp(`^error: ${name}: .* is not up to the submitter: .*container-start ${name} `),
    );
  }
});

test("help has no colours where nobody asked for them", async () => {
  const { stdout } = await flutterCi(["--help"]);
  assert.equal(stdout.includes("\x1b"), false);
});
