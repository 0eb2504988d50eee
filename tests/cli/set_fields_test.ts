import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { readEnvFiles } from "../../lib/cli/shared/request/env-file.ts";
import { setField, withFields } from "../../lib/cli/shared/request/set-fields.ts";
import { temporaryFolder } from "./start-program.ts";

type Options = Parameters<typeof buildRequest>[0];
const operands = { repository: "https://git.example.com/app.git", command: undefined };

test("--set sets one field of the spec, over file and flags: as text where only a text can stand, else as YAML", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "build.yaml");
  await writeFile(
    file,
    "resource: flutter-builder\nspec: { image: a, limits: { pids: 7 }, env: [{ name: A, value: x }] }\n",
  );
  const set = [
    "spec.timeout=5m",
    "ref=1.10",
    "limits.cpus=2",
    "image=b",
    "env.0.value=007",
    "env.1={name: B, value: y=z}",
    "artifacts=[a, {glob: b, when: always}]",
    "network=internal",
  ].map(setField);
  const { resource, plan, trustedImages } = await buildRequest(
    { file, set, image: "flag" } as Options,
    operands,
    {},
  );
  assert.deepEqual(resource.spec, {
    image: "b",
    limits: { pids: 7, cpus: 2 },
    env: [{ name: "A", value: "007" }, { name: "B", value: "y=z" }],
    repository: operands.repository,
    timeout: "5m",
    ref: "1.10",
    artifacts: ["a", { glob: "b", when: "always" }],
    network: "internal",
  });
  assert.deepEqual([plan.spec.timeout, trustedImages], [300_000, [plan.spec.image]]);
});

test("--set changes and adds entries of a file's list, and refuses numbers beyond it", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "build.yaml");
  await writeFile(
    file,
    "resource: flutter-builder\nspec: { image: a, commands: [x, y], artifacts: [a, b] }\n",
  );
  const made = (value: string) =>
    buildRequest({ file, set: [setField(value)] } as Options, operands, {}).then(({ resource }) =>
      resource.spec
    );
  assert.deepEqual(await made("artifacts.1=c").then((spec) => (spec as { artifacts: string[] }).artifacts), [
    "a",
    "c",
  ]);
  assert.deepEqual(await made("commands.2=z").then((spec) => (spec as { commands: string[] }).commands), [
    "x",
    "y",
    "z",
  ]);
  for (const key of ["3", "-1", "0x0", "1e0"]) {
    await assert.rejects(made(`commands.${key}=z`), /^InputError: --set: Cannot set commands.*0 to 2/, key);
  }
});

test("--set refuses what is no field, and names the nearest", async () => {
  for (const value of ["timeout", "=1", "a..b=1", "spec.__proto__.x=1", "repository=https://x/y"]) {
    assert.throws(() => setField(value), /^InputError: Invalid field ".*": expected /, value);
  }
  const refusal = (value: string) =>
    buildRequest({ set: [setField(value)] } as Options, operands, {}).then(
      () => "",
      ({ message }) => message,
    );
  assert.match(await refusal("timeot=5m"), /unrecognized key: "timeot" \(did you mean "timeout"\?\)$/);
  assert.match(await refusal("limits.cpus=two"), /^spec\.limits\.cpus: expected number,.* got "two"$/);
  assert.match(
    await refusal("artifacts=[a"),
    /^--set: The value "\[a" of artifacts cannot be read as YAML: /,
  );
  assert.match(
    await refusal("drivers.report.n=9007199254740993"),
    /^--set: The value "9007199254740993" of drivers\.report\.n .* 9007199254740993 would not be kept exactly/,
  );
  assert.match(await refusal("privileged=true"), /^spec\.privileged: /);
  await assert.rejects(withFields({ image: "a" }, [setField("image.x=1")]), /"image" has no fields/);
  await assert.rejects(withFields({ env: [] }, [setField("env.1.name=A")]), /0 to 0, in the place of "1"/);
});

test("--env-file is read by docker's rules, and -e wins over it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "env");
  const text =
    '\ufeff# comment\n  INDENTED=1\n\nQUOTED="x y" # no\r\nCALLER\nUNSET\nEQUALS=a=b\nEMPTY=\nTWICE=1\nTWICE=2\n';
  await writeFile(path, text);
  const variables = [
    ["INDENTED", "1"],
    ["QUOTED", '"x y" # no'],
    ["CALLER", "mine"],
    ["EQUALS", "a=b"],
    ["EMPTY", ""],
    ["TWICE", "2"],
  ].map(([name, value]) => ({ name, value }));
  assert.deepEqual(await readEnvFiles([path], { CALLER: "mine" }), variables);
  const { resource } = await buildRequest(
    { envFile: [path], env: [{ name: "TWICE", value: "3" }] } as Options,
    operands,
    {},
  );
  const { env } = resource.spec as { env: { name: string; value: string }[] };
  assert.deepEqual(env.find(({ name }) => name === "TWICE")?.value, "3");
  assert.equal(env.filter(({ name }) => name === "TWICE").length, 1);
  for (
    const [line, expected] of [["export A=1", /env:2: Invalid name "export A"/], [
      "=secret",
      /env:2: .*""/,
    ]] as const
  ) {
    await writeFile(path, `\n${line}\n`);
    await assert.rejects(readEnvFiles([path], {}), (error: Error) => {
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  await assert.rejects(
    readEnvFiles([join(folder.path, "absent")], {}),
    /^InputError: --env-file: Cannot read/,
  );
});
