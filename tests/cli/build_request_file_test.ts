import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { InputError, messageOf } from "../../lib/base/errors.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { temporaryFolder } from "./start-program.ts";
import { none, type Options, refused, resourceFile, specOf, URL } from "./build-request.ts";

test("buildRequest lays the flags over a file, and leaves the rest of it", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    `
name: app
resource: flutter-builder
metadata: { team: core }
spec:
  repository: https://git.example.com/in-file.git
  image: debian:12
  ref: main
  env: [{ name: A, value: file }, { name: B, value: file }]
  secrets: [S1]
  limits: { cpus: 1, memory: 1g }
`,
  );
  const { resource, secrets } = await buildRequest(
    {
      file,
      image: "gcc:14",
      env: [{ name: "B", value: "flag" }],
      secret: ["S1", "S2"],
      cpus: 2,
    } as Options,
    { repository: undefined, command: undefined },
    { S1: "one", S2: "two" },
  );
  assert.equal(resource.name, "app");
  assert.deepEqual(resource.metadata, { team: "core" });
  assert.deepEqual(resource.spec, {
    repository: "https://git.example.com/in-file.git",
    image: "gcc:14",
    ref: "main",
    env: [{ name: "A", value: "file" }, { name: "B", value: "flag" }],
    secrets: ["S1", "S2"],
    limits: { cpus: 2, memory: "1g" },
  });
  assert.deepEqual(secrets, { S1: "one", S2: "two" });
});

test("buildRequest takes JSON as well, and a typed repository wins over the file's", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    '{"name":"app","resource":"flutter-builder","spec":{"repository":"./nowhere"}}',
  );
  assert.deepEqual(await specOf({ file }), { repository: URL });
});

test("buildRequest lets a file read and join only what the command line gives away", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    `
resource: flutter-builder
spec:
  network: internal
  env: [{ name: X, valueFrom: GITHUB_TOKEN }]
`,
  );
  const operands = { repository: undefined };
  const environment = { GITHUB_TOKEN: "hunter2" };
  await refused(
    specOf({ file }, operands, environment),
    /spec\.env\.0\.valueFrom: .*"GITHUB_TOKEN".*allow it with -e GITHUB_TOKEN\nspec\.network: .*--network internal/,
  );
  const allowed = await buildRequest(
    { file, network: "internal", env: [{ name: "GITHUB_TOKEN", value: undefined }] } as Options,
    { ...none, ...operands },
    environment,
  );
  assert.deepEqual(allowed.plan.env, { X: "hunter2", GITHUB_TOKEN: "hunter2" });
  assert.deepEqual(allowed.allowNetworks, ["internal"]);
  await refused(specOf({ file, network: "internal" }, operands, environment), /GITHUB_TOKEN/);
});

test("buildRequest takes an image that only a file names for none that a person chose", async () => {
  await using folder = await temporaryFolder();
  const named = await resourceFile(folder.path, "{resource: flutter-builder, spec: {image: 'evil:1'}}");
  const isChosen = async (options: object) =>
    (await buildRequest(options as Options, { ...none, repository: undefined }, {})).trustedImages.length > 0;
  assert.equal(await isChosen({ file: named }), false);
  assert.equal(await isChosen({ file: named, image: "gcc:14" }), true);
  await writeFile(named, "{resource: flutter-builder, spec: {}}");
  assert.equal(await isChosen({ file: named }), true);
});

test("buildRequest refuses privileges that a file asks for", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(folder.path, "{resource: flutter-builder, spec: {privileged: true}}");
  await refused(specOf({ file }), /spec\.privileged/);
});

test("buildRequest refuses files that are no resource, by what is wrong with them", async () => {
  await using folder = await temporaryFolder();
  const cases = [
    ["{ broken", /cannot be read as JSON or YAML/],
    ["- a\n- b", /: It is not a resource of type flutter-builder\n/],
    ["resource: other\nspec: {}", /:1:11: resource: .*"flutter-builder"/],
    ["resource: flutter-builder", /:1:1: spec: /],
    ["resource: flutter-builder\nspec: {}\nkind: Pod", /:3:1: unrecognized key: "kind"/],
    ["", /is empty/],
    ["just words", /It is not a resource/],
    [`resource: flutter-builder\nspec: ${"[".repeat(20_000)}`, /cannot be read as JSON or YAML/],
    [`resource: flutter-builder\nspec: {a: &a [x], b: ${"[*a,".repeat(3)}*a${"]".repeat(3)}}`, /spec/],
    ["x".repeat(1024 * 1024 + 1), /larger than 1 MiB/],
  ] as const;
  for (const [text, expected] of cases) {
    const file = join(folder.path, "file");
    await writeFile(file, text);
    await refused(specOf({ file }), expected);
  }
  await refused(specOf({ file: join(folder.path, "absent") }), /^--file: Cannot read ".*absent": ENOENT/);
});

test("buildRequest takes from a file no folder, secret or container that the command line does not name", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    "{resource: flutter-builder, spec: {repository: repo, secrets: [AWS_KEY], keep: always}}",
  );
  const repository = join(folder.path, "repo");
  const environment = { AWS_KEY: "hunter2hunter2" };
  await refused(
    specOf({ file }, { repository: undefined }, environment),
    /^spec\.repository: The folder ".*\/repo" is .*\nspec\.secrets\.0: .*--secret AWS_KEY\nspec\.keep: .*--keep always$/,
  );
  const { secrets, plan } = await buildRequest(
    { file, secret: ["AWS_KEY"], keep: "failure" } as Options,
    { ...none, repository },
    environment,
  );
  assert.deepEqual([secrets, plan.spec.keep], [environment, "failure"]);
});

test("buildRequest says of a number or another word that stands for a text how the file writes it", async () => {
  await using folder = await temporaryFolder();
  const cases = [
    ["ref: 1.10", 'spec.ref: expected a text in quotes, like "1.10", got 1.10'],
    ["ref: 007", 'spec.ref: expected a text in quotes, like "007", got 007'],
    [
      "ref: 12345678901234567890",
      'spec.ref: expected a text in quotes, like "12345678901234567890", got 123456',
    ],
    ["ref: true", 'spec.ref: expected a text in quotes, like "true", got true'],
    ["env: [{ name: V, value: 3.10 }]", 'spec.env.0.value: expected a text in quotes, like "3.10", got 3.10'],
    ["image: 1e3", 'spec.image: expected a text in quotes, like "1e3", got 1e3'],
    ["depth: 1.50", "got 1.50"],
  ] as const;
  for (const [line, expected] of cases) {
    const file = join(folder.path, "file");
    await writeFile(file, `resource: flutter-builder\nspec: { ${line} }\n`);
    await assert.rejects(specOf({ file }), (error: Error) => {
      assert.ok(error.message.includes(expected), error.message);
      return true;
    });
    assert.equal(
      typeof await specOf({ file, ref: "main", depth: 1, image: "a", env: [{ name: "V", value: "" }] }),
      "object",
    );
  }
  // What other drivers take may be a number of any size.
  const large = join(folder.path, "large");
  await writeFile(large, "resource: flutter-builder\nspec: { drivers: { d: { n: 9007199254740993 } } }\n");
  await refused(
    specOf({ file: large }),
    /:2:28: spec\.drivers: 9007199254740993 would not be kept exactly: expected a smaller number, or a text/,
  );
  const named = await resourceFile(folder.path, "resource: flutter-builder\nname: 1.10\nspec: {}\n");
  await refused(
    specOf({ file: named }),
    /:2:7: name: expected a text in quotes, like "1\.10", got 1\.10/,
  );
});

test("buildRequest finds the place of what an alias brings", async () => {
  await using folder = await temporaryFolder();
  const lines = [
    "resource: flutter-builder",
    "spec:",
    "  image: &image 5",
    "  artifacts: [{ glob: *image }]",
    "  limits: { cpus: &cpus two, memory: *cpus }",
  ];
  const file = await resourceFile(folder.path, lines.join("\n"));
  await refused(
    specOf({ file, image: "a" }),
    /:4:23: spec\.artifacts\.0\.glob: expected a text in quotes, like "5", got 5\n/,
  );
  await refused(specOf({ file, image: "a" }), /:5:38: spec\.limits\.memory: .*"two"/);
});

test("buildRequest says once what is wrong with a file's YAML, and where", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(folder.path, "resource: flutter-builder\nspec: { ref: [main }\n");
  await assert.rejects(specOf({ file }), (error: Error) => {
    assert.match(
      messageOf(error),
      /^[^"\n]*\/build\.yaml:2:20: It cannot be read as JSON or YAML: [^\n]*\n {2}2 \| spec: \{ ref: \[main \}\n {4}\| {20}\^$/,
    );
    return true;
  });
});

test("buildRequest takes nothing from a key called __proto__", async () => {
  await using folder = await temporaryFolder();
  const text = '{"resource":"flutter-builder","__proto__":{"name":"x"},"spec":{"__proto__":{"image":"x"}}}';
  const file = await resourceFile(folder.path, text);
  const outcome = await buildRequest({ file } as Options, none, {}).catch((error) => error);
  if (outcome instanceof InputError) assert.match(outcome.message, /__proto__/);
  else assert.equal(outcome.plan.spec.image.startsWith("ghcr.io/"), true);
  assert.equal(({} as { image?: string }).image, undefined);
});
