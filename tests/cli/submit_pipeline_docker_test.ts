import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ControlPlane, controlPlane } from "../support/control-plane.ts";
import { clientOf } from "../support/plane-client.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { root } from "./start-program.ts";

const { test } = needing("Docker", "broker");

const STAMP = `import { defineDriver, z } from ${JSON.stringify(join(root, "lib/runtime.ts"))};
export const stamp = defineDriver({
  name: "stamp",
  resources: ["flutter-builder"],
  usesDocker: false,
  policy: z.object({ ink: z.string().default("black") }),
  async reconcile({ step, policy: { ink } }) {
    return { success: step !== "bad", message: ink };
  },
});
`;
const STEPS = [{ driver: "stamp" }, { driver: "stamp", id: "bad", timeout: "1m" }, {
  driver: "stamp",
  id: "skipped",
}, {
  driver: "stamp",
  id: "last",
  always: true,
}];
const ENDED = ["stamp succeeded", "bad failed", "skipped skipped", "last succeeded"];

/** The exit code of a submitted build, and how its steps ended. */
async function stepsOf(plane: ControlPlane, ...words: string[]) {
  const submitted = plane.submit(...words);
  const events = await submitted.events();
  const { code } = await submitted.ended;
  return {
    code,
    messages: events.flatMap((event) =>
      event.type === "step" && event.status !== "started" ? [event.result.message] : []
    ),
    steps: events.flatMap((event) =>
      event.type === "step" && event.status !== "started" ? [`${event.step} ${event.status}`] : []
    ),
    run: events[0]?.run,
    output: submitted.output(),
  };
}

test("submit runs the pipeline of its file, or the one that its file or --pipeline names, embedded and over a broker, in a driver of one's own with its flags", async () => {
  await using broker = await startNats();
  for (const flags of [[], ["--nats", broker.url]]) {
    await using plane = await controlPlane("--drivers", "none", "--driver", "./stamp.ts", ...flags);
    const folder = join(plane.data, "..");
    await writeFile(join(folder, "stamp.ts"), STAMP);
    const up = await plane.start({ cwd: folder, flags: ["--ink", "blue"] });
    const file = async (name: string, content: unknown) => {
      await writeFile(join(folder, name), JSON.stringify(content));
      return join(folder, name);
    };
    const build = await file("build.yaml", { resource: "flutter-builder", spec: {}, pipeline: STEPS });
    const ofFile = await stepsOf(plane, "-f", build);
    assert.deepEqual([ofFile.code, ofFile.steps], [1, ENDED], `${ofFile.output}\n${up.output()}`);

    const list = await file("list.json", STEPS.slice(0, 1));
    const ofList = await stepsOf(plane, "-f", build, "--pipeline", list);
    assert.deepEqual([ofList.code, ofList.steps], [0, ["stamp succeeded"]], ofList.output);
    // By the driver's own flag of up.
    assert.deepEqual(ofList.messages, ["blue"]);

    const named = await file("named.yml", {
      name: "stamps",
      resource: "flutter-builder",
      steps: [{ id: "bad", name: "Stamp it", driver: "stamp", timeout: 60_000 }],
    });
    const ofNamed = await stepsOf(plane, "--pipeline", named);
    assert.deepEqual([ofNamed.code, ofNamed.steps], [1, ["bad failed"]], ofNamed.output);
    const send = clientOf(plane);
    assert.match((await send("GET", `/runs/${ofNamed.run}`)).text, /"pipeline":"stamps"/);

    const none = plane.submit("--pipeline", "stamps");
    const { code, stderr, stdout } = await none.ended;
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(
      stderr,
      /^error: .*No pipeline "stamps" is stored here: expected the name of one, or its steps/,
    );

    const stored = {
      name: "kept",
      resource: "flutter-builder",
      steps: [{ id: "bad", name: "Stamp", driver: "stamp" }],
    };
    const put = await send("POST", "/pipelines", stored);
    assert.equal(put.status, 201, put.text);
    const ofStored = await stepsOf(plane, "--pipeline", "kept");
    assert.deepEqual([ofStored.code, ofStored.steps], [1, ["bad failed"]], ofStored.output);
    const naming = await file("naming.json", { resource: "flutter-builder", spec: {}, pipeline: "kept" });
    const ofNaming = await stepsOf(plane, "-f", naming);
    assert.deepEqual([ofNaming.code, ofNaming.steps], [1, ["bad failed"]], ofNaming.output);
    const ofFlag = await stepsOf(plane, "-f", naming, "--pipeline", list);
    assert.deepEqual([ofFlag.code, ofFlag.steps], [0, ["stamp succeeded"]], ofFlag.output);
  }
});

test("submit refuses a pipeline's file that is none, before it speaks to anybody", async () => {
  await using plane = await controlPlane();
  const folder = join(plane.data, "..");
  const cases: [content: string, expected: RegExp][] = [
    ["[]", /pipeline\.steps: expected at least one step/],
    ["[{ driver: a, timeout: soon }]", /pipeline\.steps\.0\.timeout: .*"soon"/],
    ["[{ driver: a.b }]", /pipeline\.steps\.0\.driver: expected letters, digits, - and _ only.*"a\.b"/],
    ["[{ driver: a, step: 1 }]", /pipeline\.steps\.0.*"step"/],
    ["{ name: x }", /pipeline\.steps: /],
    ["{ resource: thing, steps: [{ driver: a }] }", /pipeline\.resource: .*"flutter-builder".*"thing"/],
    ["steps", /--pipeline: "[^"]*p\.yaml" is not a pipeline of the type flutter-builder:/],
    ["[", /p\.yaml:1:\d+: It cannot be read as JSON or YAML: /],
    ["", /--pipeline: The file "[^"]*p\.yaml" is empty/],
  ];
  for (const [content, expected] of cases) {
    await writeFile(join(folder, "p.yaml"), content);
    const { code, stdout, stderr } = await plane.submit("--pipeline", "./p.yaml").ended;
    assert.deepEqual([code, stdout], [2, ""], `${content}\n${stderr}`);
    assert.match(stderr, expected);
  }
  const empty = await plane.submit("--pipeline", "").ended;
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /^error: --pipeline: Invalid value "": expected a name or a file/);
  const missing = await plane.submit("--pipeline", "./none.yaml").ended;
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /^error: --pipeline: Cannot read "\.\/none\.yaml": /);
});
