import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { defineDriver, type Driver, z } from "../../lib/runtime.ts";
import { temporaryFolder } from "./start-program.ts";

type Options = Parameters<typeof buildRequest>[0];

const REPOSITORY = "https://git.example.com/group/app.git";

const lineCount = defineDriver({
  name: "line-count",
  resources: ["flutter-builder"],
  spec: z.strictObject({ file: z.string(), format: z.string().optional() }),
  reconcile: () => ({ success: true, message: "" }),
});

/** The lines with which a build is refused; none where it is not. */
async function problemsOf(
  options: Partial<Options>,
  own: readonly Driver[] = [lineCount],
): Promise<string[]> {
  try {
    await buildRequest(options as Options, { repository: REPOSITORY, command: ["true"] }, {}, { own });
    return [];
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message.split("\n");
  }
}

test("buildRequest refuses a spec that a driver of one's own cannot take, with the place in the file", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "build.yaml");
  const refused = async (part: string, more = "") => {
    await writeFile(file, `resource: flutter-builder\nspec:\n  drivers:\n    line-count: ${part}\n${more}`);
    return await problemsOf({ file });
  };
  assert.deepEqual(await refused("{ file: a, format: x }"), []);
  const all = (await refused("{ fiel: a, format: 1.10 }")).filter((line) => line.includes("build.yaml:"));
  const expected = [
    /:4:5: spec\.drivers\.line-count\.file: expected string, got nothing$/,
    /:4:36: spec\.drivers\.line-count\.format: expected a text in quotes, like "1\.10", got 1\.10$/,
    /:4:19: spec\.drivers\.line-count: unrecognized key: "fiel" \(did you mean "file"\?\)$/,
  ];
  assert.equal(all.length, expected.length, all.join("\n"));
  for (const [i, line] of all.entries()) assert.match(line, expected[i] ?? /^$/);
  // A driver that has no step is told nothing.
  const steps = ["container-start", "git-cloner", "builder", "container-stop"].map((driver) =>
    `{driver: ${driver}}`
  );
  assert.deepEqual(await refused("{ fiel: a }", `pipeline: [${steps.join(", ")}]\n`), []);
});

test("buildRequest leaves a schema that throws to the step of its driver", async () => {
  const [asks, throws] = [
    z.strictObject({ file: z.string().refine(() => Promise.resolve(false)) }),
    z.strictObject({
      file: z.string().refine(() => {
        throw new TypeError("a defect");
      }),
    }),
  ].map((spec) =>
    defineDriver({
      name: "line-count",
      resources: ["flutter-builder"],
      spec,
      reconcile: () => ({ success: true, message: "" }),
    })
  );
  const set = [{ path: ["drivers", "line-count", "file"], text: "notes.txt" }];
  for (const driver of [asks, throws]) assert.deepEqual(await problemsOf({ set }, driver && [driver]), []);
});

test("buildRequest refuses what a flag tells a driver of one's own, and a part that has to be there", async () => {
  const told = (text: string) => problemsOf({ set: [{ path: ["drivers", "line-count", "file"], text }] });
  assert.deepEqual(await told("notes.txt"), []);
  assert.deepEqual(await told("3"), ["spec.drivers.line-count.file: expected string, got 3"]);
  assert.deepEqual(await problemsOf({}), ["spec.drivers.line-count.file: expected string, got nothing"]);
});
