import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { controlPlane } from "../support/control-plane.ts";
import { clientOf } from "../support/plane-client.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

const THINGS = `
name: app
resource: box
pipeline: boxes
metadata: { team: blue }
spec: { n: 1 }
---
name: boxes
resource: box
steps:
  - { id: a, name: A, driver: a }
---
name: box
schema: { type: object, required: [n], properties: { n: { type: integer } } }
`;
const BIG_YAML = "name: big\nresource: box\npipeline: boxes\nspec: { n: 12345678901234567890, z: 1.0 }\n";
const BIG = '{"name":"big","resource":"box","pipeline":"boxes","spec":{"z":1,"n":12345678901234567890}}';

/** A control plane without drivers, and files for it. */
async function stage() {
  const parts = new AsyncDisposableStack();
  const plane = parts.use(await controlPlane("--drivers", "none"));
  const { path } = parts.use(await temporaryFolder());
  await plane.start();
  const things = join(path, "things.yaml");
  const big = join(path, "big.json");
  await writeFile(things, THINGS);
  await writeFile(big, BIG);
  const ask = async (words: string[]) => {
    const { code, stdout, stderr } = await flutterCi([...words, "--data", plane.data]);
    return { code, lines: stdout.split("\n").filter((line) => line !== ""), stderr };
  };
  return {
    ask,
    send: clientOf(plane),
    things,
    big,
    path,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

test("apply creates what files describe in the order it needs, changes what differs, and leaves the rest", async () => {
  await using staged = await stage();
  const { ask, send, things, big } = staged;
  const made = await ask(["apply", "-f", things, big, "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const told = made.lines.map((line) => JSON.parse(line));
  assert.deepEqual(told.map(({ kind, type, name, result }) => [kind, type, name, result]), [
    ["resource-definition", undefined, "box", "created"],
    ["pipeline", undefined, "boxes", "created"],
    ["resource", "box", "app", "created"],
    ["resource", "box", "big", "created"],
  ]);
  assert.equal((await send("GET", `/runs/${told[2].run}`)).body.operation, "create");
  const again = await ask(["apply", "-f", things, "-f", big]);
  assert.deepEqual(again.lines, [
    "resource-definition box unchanged",
    "pipeline boxes unchanged",
    "resource box/app unchanged",
    "resource box/big unchanged",
  ]);
  await writeFile(things, THINGS.replace("n: 1 }", "n: 2 }"));
  const changed = await ask(["apply", "-f", things]);
  assert.match(changed.lines[2] ?? "", /^resource box\/app changed, run [0-9a-f-]{36}$/);
  const { body } = await send("GET", "/resources/box/app");
  assert.deepEqual([body.spec, body.metadata], [{ n: 2 }, { team: "blue", version: "2" }]);
  assert.equal((await send("GET", "/runs")).body.runs.length, 3);

  // The same number with another digit at its end, in either way to write it, and fields that are there no
  // more.
  await writeFile(big, BIG_YAML);
  assert.deepEqual((await ask(["apply", "-f", big])).lines, ["resource box/big unchanged"]);
  await writeFile(big, BIG_YAML.replace(/0(?=,)/, "1"));
  assert.match((await ask(["apply", "-f", big])).lines[0] ?? "", /^resource box\/big changed/);
  await writeFile(big, BIG.replace(/0(?=})/, "2"));
  assert.match((await ask(["apply", "-f", big])).lines[0] ?? "", /^resource box\/big changed/);
  assert.match((await send("GET", "/resources/box/big")).text, /"n":12345678901234567892/);
  const described = THINGS.replace("{ team: blue }", "{ team: blue, more: x }")
    .replace("name: boxes\n", "name: boxes\nmetadata: { a: b }\n").replace(
      "name: box\n",
      "name: box\npipeline: boxes\n",
    );
  const results = async (text: string) => {
    await writeFile(things, text);
    return (await ask(["apply", "-f", things, "--json"])).lines.map((line) => JSON.parse(line).result);
  };
  assert.deepEqual(await results(described), ["changed", "changed", "changed"]);
  assert.deepEqual(await results(described), ["unchanged", "unchanged", "unchanged"]);
  assert.deepEqual(await results(THINGS), ["changed", "changed", "changed"]);
  assert.deepEqual(await results(THINGS), ["unchanged", "unchanged", "unchanged"]);
  // What a document does not name is kept of a resource.
  assert.deepEqual(await results(THINGS.replace(/metadata.*\n/, "")), [
    "unchanged",
    "unchanged",
    "unchanged",
  ]);
});

test("apply refuses what it cannot read before anything is sent, and says where what the server refuses is", async () => {
  await using staged = await stage();
  const { ask, send, things, path } = staged;
  const broken = join(path, "broken.yaml");
  const refused: [string, RegExp][] = [
    ["[1]", /broken\.yaml: expected an object, got \[1\]/],
    ["name: x\nspec: {}\npipelin: y", /unknown "pipelin" in a resource: expected some of id, name, resource/],
    ["name: x\nspec: {}", /resource: expected the resource's type, got nothing/],
    ["spec: {}\nresource: box", /name: expected a text, got nothing/],
    ["name: x", /expected a resource definition \(with "schema"\), a pipeline/],
    ["a: [", /cannot be read as JSON or YAML/],
    ["", /is empty/],
  ];
  for (const [text, message] of refused) {
    await writeFile(broken, text);
    const { code, stderr } = await ask(["apply", "-f", things, broken]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  assert.match((await ask(["apply"])).stderr, /Expected a file: -f FILE/);
  assert.equal((await send("GET", "/resource-definitions/box")).status, 404);
  await writeFile(broken, THINGS.replace("n: 1 }", "n: x }"));
  const { code, stderr } = await ask(["apply", "-f", broken]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /broken\.yaml, document 1: resource box\/app: body\.spec\.n: must be integer, got "x"/,
  );
});

test("delete removes a resource, or what files describe in the opposite order, and names what is missing", async () => {
  await using staged = await stage();
  const { ask, send, things, big } = staged;
  assert.equal((await ask(["apply", "-f", things, big])).code, 0);
  const one = await ask(["delete", "box", "app"]);
  assert.match(one.lines[0] ?? "", /^resource box\/app deleted, run [0-9a-f-]{36}$/);
  const missing = await ask(["delete", "box", "app"]);
  assert.deepEqual([missing.code, missing.stderr.split("\n")[0]], [2, "error: There is no resource box/app"]);
  const rest = await ask(["delete", "-f", things, big, "--json"]);
  assert.equal(rest.code, 2);
  assert.match(rest.stderr, /There is no resource box\/app/);
  const told = rest.lines.map((line) => JSON.parse(line));
  assert.deepEqual(told.map(({ kind, name }) => `${kind} ${name}`), [
    "resource big",
    "pipeline boxes",
    "resource-definition box",
  ]);
  assert.equal((await send("GET", `/runs/${told[0].run}`)).body.operation, "delete");
  assert.deepEqual((await send("GET", "/resources")).body, []);
  assert.equal((await ask(["delete", "-f", things, "--ignore-missing"])).code, 0);
  for (const words of [["delete"], ["delete", "box"], ["delete", "a", "b", "c"]]) {
    assert.equal((await ask(words)).code, 2, words.join(" "));
  }
});

test("apply and delete say that there is no control plane", async () => {
  await using folder = await temporaryFolder();
  const big = join(folder.path, "big.json");
  await writeFile(big, BIG);
  for (const words of [["apply", "-f", big], ["delete", "box", "big"]]) {
    const { code, stderr } = await flutterCi([...words, "--data", join(folder.path, "data")]);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /No control plane serves the data folder/);
  }
});
