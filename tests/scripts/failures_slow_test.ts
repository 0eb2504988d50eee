import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { failedTestsIn, failureLines } from "../../scripts/suite/failures.ts";
import { commandOf, type Job, type Runtime } from "../../scripts/suite/jobs.ts";
import { paced } from "../support/pace.ts";

const ROOT = join(import.meta.dirname, "../..");
const RUNTIMES: readonly Runtime[] = ["bun", "deno"];

/** What a runtime's test runner prints of a file, and the job that it was. */
function run(runtime: Runtime, text: string): { job: Job; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "conveyor-failures-"));
  try {
    const file = join(folder, "made_test.ts");
    writeFileSync(
      file,
      `import assert from "node:assert/strict";\nimport { test } from "node:test";\n${text}`,
    );
    const job: Job = { runtime, files: [file], broker: "", kind: "processes" };
    const [program = "", ...args] = commandOf(job, paced(120_000), folder);
    const env = { ...process.env, NO_COLOR: "1" };
    const { stdout, stderr } = spawnSync(program, args, { cwd: ROOT, env, encoding: "utf8" });
    return { job, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const FOUR = `
test("it holds", () => {});
test("numbers differ", () => {
  console.log("printed on the way");
  console.error("and this");
  assert.equal(1, 2, "one is not two");
});
test("it throws", async () => {
  await Promise.resolve();
  throw new Error("first line\\nsecond line", { cause: new TypeError("why") });
});
test("a promise is left", async () => {
  void Promise.reject(new Error("nobody caught this"));
  await new Promise((resolve) => setImmediate(resolve));
});
test("it holds too", () => {});
`;

test("failedTestsIn finds title, message and place of each failed test in either runtime's output", () => {
  for (const runtime of RUNTIMES) {
    const { output } = run(runtime, FOUR);
    const failed = failedTestsIn(runtime, output);
    const expected = [
      ["numbers differ", /^[^]*one is not two[^]*made_test\.ts:8:/],
      ["it throws", /^[^]*first line\nsecond line[^]*made_test\.ts:12:[^]*TypeError: why/],
      ["a promise is left", /^[^]*nobody caught this[^]*made_test\.ts:15:/],
    ] as const;
    assert.equal(failed.length, expected.length, output);
    for (const [i, [title, details]] of expected.entries()) {
      const { title: found = "", details: lines = [] } = failed[i] ?? {};
      assert.match(found, new RegExp(`^${title} .*made_test\\.ts`));
      assert.match(lines.join("\n"), details);
      assert.doesNotMatch(lines.join("\n"), /printed on the way|and this|node:test/);
    }
  }
});

test("failedTestsIn finds an error that is thrown outside of the tests", () => {
  for (const runtime of RUNTIMES) {
    const { output } = run(runtime, `throw new Error("thrown while loading");\n`);
    const [first] = failedTestsIn(runtime, output);
    assert.match(first?.details.join("\n") ?? "", /thrown while loading[^]*made_test\.ts:3:/, output);
  }
});

test("failureLines shows the end of the output of a process that died without naming a test", () => {
  for (const runtime of RUNTIMES) {
    const { job, output } = run(runtime, `test("it ends all", () => { process.exit(3); });\n`);
    const lines = failureLines([{ job, output, stuck: undefined, left: [] }]);
    assert.match(lines[0] ?? "", new RegExp(`^failed: ${runtime} .*made_test\\.ts: no test is named`));
    assert.match(lines.slice(1).join("\n"), /made_test\.ts/);
  }
});

test("failureLines shows the error where a file cannot be loaded", () => {
  for (const runtime of RUNTIMES) {
    const { job, output } = run(runtime, `import "./nowhere.ts";\ntest("never", () => {});\n`);
    assert.match(
      failureLines([{ job, output, stuck: undefined, left: [] }]).join("\n"),
      /nowhere\.ts/,
      output,
    );
  }
});
