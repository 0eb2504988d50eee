import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeRepository } from "./git-repository.ts";
import { type Ended, flutterCi, root, temporaryFolder } from "./start-program.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const IMAGE = process.env.CONVEYOR_TEST_IMAGE ?? "conveyor-build:bookworm";
const UNIT_REPORT = join(root, "examples/unit-report/unit-report.ts");
const FAILED = `printf '<testcase name="a"><failure/></testcase>' >junit.xml`;
/** As an author may write one who installs nothing. */
const STAMP = `export const stamp = {
  name: "stamp",
  resources: ["flutter-builder"],
  usesDocker: false,
  async reconcile({ results, log }) {
    await log.line("after " + Object.keys(results).join(", "));
    return { success: true, message: "stamped" };
  },
};
`;

async function project() {
  const folder = await temporaryFolder();
  const repository = join(folder.path, "repo");
  makeRepository(repository, { "hello.txt": "hello\n" });
  const words = ["run", "--data", join(folder.path, "data"), "--image", IMAGE, "--pull", "never", "--json"];
  return {
    path: repository,
    run: (...more: string[]) => flutterCi([...words, ...more], { cwd: repository }),
    runWith: (env: Record<string, string>, ...more: string[]) =>
      flutterCi([...words, ...more], { cwd: repository, env }),
    retry: () => flutterCi(["retry", "last", "--data", join(folder.path, "data")], { cwd: repository }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** A driver with a policy, as its author has it who installs the package. */
const LIMITED = `import { defineDriver, z } from ${JSON.stringify(join(root, "lib/runtime.ts"))};
export const limited = defineDriver({
  name: "limited",
  resources: ["flutter-builder"],
  usesDocker: false,
  policy: z.object({
    maxTests: z.int().default(10).describe("tests that are read at most"),
    labels: z.array(z.string()).optional().describe("repeatable"),
  }),
  reconcile: ({ policy }) => ({ success: true, message: JSON.stringify(policy) }),
});
`;

const lines = ({ stdout }: Ended) => stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
/** How the steps ended, in their order. */
const steps = (ended: Ended) =>
  lines(ended).filter(({ type, status }) => type === "step" && status !== "started")
    .map(({ step, status }) => `${step} ${status}`);

test("run --driver makes a driver of one's own a step, in the build's container, with its part of the spec", async () => {
  await using here = await project();
  await writeFile(join(here.path, "stamp.ts"), STAMP);
  const ended = await here.run("--driver", "./stamp.ts", "--driver", UNIT_REPORT, "-c", FAILED);
  assert.equal(ended.code, 1, ended.stderr + ended.stdout);
  assert.deepEqual(steps(ended), [
    "container-start succeeded",
    "git-cloner succeeded",
    "builder succeeded",
    "stamp succeeded",
    "unit-report failed",
    "container-stop succeeded",
  ]);
  const failed = lines(ended).find(({ step, status }) => step === "unit-report" && status === "failed");
  assert.equal(failed.result.data.reason, "tests-failed");
  assert.equal(failed.result.message, "1 tests, 1 failed, 0 skipped");
  const messages = lines(ended).filter(({ type }) => type === "log").map(({ message }) => message);
  assert.ok(messages.includes("after container-start, git-cloner, builder"), messages.join("\n"));
  assert.ok(messages.includes("FAILED a"));
  const again = await here.retry();
  assert.equal(again.code, 2);
  assert.match(again.stderr, /It had steps of stamp, unit-report, which are not known here/);
});

test("run takes the flags of a driver's own policy, or their variables, checks them, and has them in its help", async () => {
  await using here = await project();
  await writeFile(join(here.path, "limited.ts"), LIMITED);
  const policyOf = async (words: string[], env: Record<string, string> = {}) => {
    const ended = await here.runWith(env, "-c", "true", ...words);
    assert.equal(ended.code, 0, ended.stderr + ended.stdout);
    return lines(ended).find(({ step, result }) => step === "limited" && result)?.result.message;
  };
  const own = ["--driver", "./limited.ts"];
  assert.equal(await policyOf(own), '{"maxTests":10}');
  assert.equal(
    await policyOf(["--max-tests", "3", "--labels=a", ...own, "--labels", "b"]),
    '{"maxTests":3,"labels":["a","b"]}',
  );
  const env = { CONVEYOR_DRIVER: "./limited.ts", CONVEYOR_MAX_TESTS: "4" };
  assert.equal(await policyOf([], env), '{"maxTests":4}');
  const help = await here.run(...own, "--help");
  assert.match(
    help.stdout,
    /^Driver limited:\n +--max-tests <n> +tests that are read at most \(default: 10\)\n +--labels <text> +repeatable$/m,
  );
  await writeFile(join(here.path, "clash.ts"), LIMITED.replace("maxTests", "timeout"));
  const cases: [string[], RegExp][] = [
    [[...own, "--max-tests", "many"], /^error: --max-tests: Invalid value "many"/],
    [["--max-tests", "3"], /^error: unknown option '--max-tests'/],
    [
      ["--driver", "./clash.ts"],
      /^error: --driver: "limited" has a flag --timeout in its policy, which is there already/,
    ],
    [["-c", "--driver", "./limited.ts", "--max-tests", "3"], /^error: unknown option '--max-tests'/],
    [["--cpus", "0", ...own], /^error: --cpus/],
  ];
  for (const [words, expected] of cases) {
    const { code, stdout, stderr } = await here.run(...words);
    assert.deepEqual([code, stdout], [2, ""], words.join(" "));
    assert.match(stderr, expected);
  }
});

test("a file's pipeline says which steps there are, also that one runs although the build has failed", async () => {
  await using here = await project();
  const file = join(here.path, "build.yaml");
  await writeFile(
    file,
    `resource: flutter-builder
spec:
  commands: ['mkdir -p out && printf "<testcase name=\\"a\\"/>" >out/junit.xml; false']
  drivers: { unit-report: { path: out/junit.xml } }
pipeline:
  - driver: container-start
  - driver: git-cloner
  - driver: builder
  - { driver: unit-report, id: report, always: true, timeout: 1m }
  - { driver: container-stop, always: true }
`,
  );
  const ended = await here.run("-f", file, "--driver", UNIT_REPORT);
  assert.equal(ended.code, 1, ended.stderr);
  assert.deepEqual(steps(ended), [
    "container-start succeeded",
    "git-cloner succeeded",
    "builder failed",
    "report succeeded",
    "container-stop succeeded",
  ]);
  const end = lines(ended).at(-1);
  assert.deepEqual([end.type, end.reason], ["end", "command-failed"]);
});

test("run refuses drivers and pipelines that cannot work before anything is started", async () => {
  await using here = await project();
  const write = (name: string, text: string) => writeFile(join(here.path, name), text);
  await write("none.ts", "export const nothing = 1;\n");
  await write("other.ts", STAMP.replace("flutter-builder", "thing"));
  await write("taken.ts", STAMP.replace('"stamp"', '"builder"'));
  await write("broken.ts", 'throw new Error("broken");\n');
  await write("stamp.ts", STAMP);
  await mkdir(join(here.path, "empty"));
  await write(
    "build.yaml",
    "resource: flutter-builder\nspec: {}\npipeline: [{ driver: builder }, { driver: deploy }]\n",
  );
  await write(
    "late.yaml",
    "resource: flutter-builder\nspec: {}\npipeline: [{ driver: builder, timeout: soon }]\n",
  );
  const told = (what: string) => ["--driver", UNIT_REPORT, "--set", `drivers.unit-report.${what}`];
  const cases: [string[], RegExp][] = [
    [
      told("paht=out/junit.xml"),
      /spec\.drivers\.unit-report: unrecognized key: "paht" \(did you mean "path"\?\)/,
    ],
    [["--driver", "./none.ts"], /^error: --driver: "\.\/none\.ts" exports none: expected one driver/],
    [["--driver", "./other.ts"], /--driver: "stamp" handles "thing": expected "flutter-builder" among them/],
    [["--driver", "./taken.ts"], /--driver: "builder" is a driver of every build/],
    [["--driver", "./broken.ts"], /--driver: "\.\/broken\.ts" cannot be loaded: broken/],
    [["--driver", "./missing.ts"], /--driver: "\.\/missing\.ts" cannot be loaded/],
    [["--driver", "no-such-package"], /--driver: There is no package "no-such-package" here/],
    [["--driver", "./stamp.ts", "--driver", "./stamp.ts"], /--driver: Two drivers have the name "stamp"/],
    [["-f", "build.yaml"], /pipeline\.1\.driver: No driver "deploy" is here: expected container-start, /],
    [["-f", "late.yaml"], /pipeline\.0\.timeout: .*"soon"/],
  ];
  for (const [words, expected] of cases) {
    const { code, stdout, stderr } = await here.run(...words);
    assert.deepEqual([code, stdout], [2, ""], words.join(" "));
    assert.match(stderr, expected);
  }
});
