import assert from "node:assert/strict";
import { test } from "node:test";
import { idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { collectReports } from "../../lib/build/reports/collect-reports.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { fakeDocker, planFor } from "./fake-docker.ts";
import { FakeWorkspace, type Node, type WorkspaceOptions } from "./fake-workspace.ts";

/** A report with tests of these names; a name that ends in `!` fails, and one in `?` is skipped. */
const report = (...names: string[]) =>
  `<testsuite>${
    names.map((name, i) =>
      `<testcase name="${name}" time="${i + 1}">${
        name.endsWith("!") ? `<failure message="no ${name}"/>` : name.endsWith("?") ? "<skipped/>" : ""
      }</testcase>`
    ).join("")
  }</testsuite>`;

async function read(
  nodes: Record<string, Node>,
  reports: string[],
  { docker = {}, signal, ...options }: WorkspaceOptions & { docker?: object; signal?: AbortSignal } = {},
) {
  const workspace = new FakeWorkspace(nodes, options);
  const fake = fakeDocker({ workspace });
  Object.assign(fake.docker, docker);
  const container = fake.add(idleName("r"), { ...runLabels("me", "r"), [LABELS.user]: "" });
  const spec = {
    repository: "https://example.org/a.git",
    image: "i",
    commands: ["x"],
    reports: reports.map((junit) => ({ junit })),
  };
  const context = stepContext(fake.docker, spec, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1 }),
    ...signal && { signal },
  });
  const summary = await collectReports(context, container, planFor(context));
  const lines = (await context.lines()).map((line) => line.replace(/^system /, ""));
  return { summary, lines, sessions: workspace.sessions };
}

test("a build's reports are summed up, and the log says what they say", async () => {
  const nodes = { "a.xml": report("one", "two!", "three?"), "b/b.xml": report("four") };
  const { summary, lines } = await read(nodes, ["**/*.xml"]);
  const { reports, tests, failures, skipped, seconds } = summary ?? {};
  assert.deepEqual([reports, tests, failures, skipped, seconds], [2, 4, 1, 1, 7]);
  assert.deepEqual(lines, [
    "Slowest: three? (3.00 s), two! (2.00 s), one (1.00 s)",
    "Failed: two!: no two!",
    "Tests: 4 tests in 2 reports, 1 failed, 1 skipped, 7.00 s",
  ]);
  const small = await read({ "a.xml": report("one") }, ["a.xml"]);
  assert.deepEqual(small.lines.at(-1), "Tests: 1 test in 1 report, 0 failed, 1.00 s");
  const bare = await read({
    "a.xml": '<testsuite><testcase name="t"><failure/></testcase></testsuite>',
  }, ["a.xml"]);
  assert.deepEqual(bare.lines, ["Failed: t", "Tests: 1 test in 1 report, 1 failed, 0.00 s"]);
});

test("ten failures are named, and those beyond are counted", async () => {
  const failing = (count: number) => Array.from({ length: count }, (_, i) => `f${i}!`);
  const { lines } = await read({ "a.xml": report(...failing(11)) }, ["a.xml"]);
  assert.equal(lines.filter((line) => line.startsWith("Failed: ")).length, 10);
  assert.ok(lines.includes("and 1 more that failed"));
  const ten = await read({ "a.xml": report(...failing(10)) }, ["a.xml"]);
  assert.ok(!ten.lines.some((line) => line.includes("more that failed")));
});

test("a spec without reports is not looked for any, and globs that choose none are named", async () => {
  const none = await read({}, []);
  assert.deepEqual([none.summary, none.lines, none.sessions.begun], [undefined, [], 0]);
  const unmatched = await read({ "a.xml": report("one"), l: { link: "no" } }, ["*.junit", "*"]);
  assert.deepEqual(unmatched.lines.slice(0, 2), [
    'No file matches the report glob "*.junit" in /workspace',
    'The report "l" is not read: it links to nothing',
  ]);
  assert.equal(unmatched.summary?.tests, 1);
  const nothing = await read({}, ["*.xml"]);
  assert.equal(nothing.summary, undefined);
  assert.deepEqual(nothing.lines, ['No file matches the report glob "*.xml" in /workspace']);
});

test("a file that is no report is named, and the ones after it are read", async () => {
  const nodes = { "a.xml": "<html>", "b.xml": report("one"), "c.xml": "x".repeat(200_000) };
  const { summary, lines } = await read(nodes, ["*.xml"]);
  assert.equal(summary?.reports, 1);
  assert.match(lines[0] ?? "", /^The report "a\.xml" is not read: /);
  assert.match(lines[1] ?? "", /^The report "c\.xml" is not read: /);
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`a${i}.xml`, "no"]));
  const counted = await read(many, ["*.xml"]);
  assert.equal(counted.lines.length, 21);
  assert.equal(counted.lines.at(-1), "1 more reports are not read");
});

test("reports that are too many or too large are counted and left", async () => {
  const many = Object.fromEntries(Array.from({ length: 5001 }, (_, i) => [`r${i}.xml`, "<testsuite/>"]));
  const { summary, lines } = await read(many, ["*.xml"]);
  assert.equal(summary?.reports, 5000);
  assert.equal(lines[0], "1 reports are not read: there are more than 5000");
  const large = { "a.xml": report("one"), "b.xml": " ".repeat(32 * 1024 ** 2 + 1) };
  const left = await read(large, ["*.xml"]);
  assert.deepEqual([left.summary?.reports, left.lines[0]], [1, "1 reports are not read: above 32.0 MiB"]);
});

test("reports that cannot be read at all cost a line, and a step that is told to stop throws why", async () => {
  const docker = { exec: () => Promise.reject(new DockerError("no exec", { status: 500 })) };
  const { summary, lines } = await read({ "a.xml": report("one") }, ["*.xml"], { docker });
  assert.deepEqual([summary, lines], [undefined, ["The test reports cannot be read: no exec"]]);
  const reason = new Error("told to stop");
  await assert.rejects(read({}, ["*.xml"], { signal: AbortSignal.abort(reason) }), reason);
});
