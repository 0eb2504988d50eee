import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { InputError, messageOf } from "../../lib/base/errors.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

const URL = "https://git.example.com/group/app.git";
const none = { repository: URL, command: undefined };

type Options = Parameters<typeof buildRequest>[0];

/** The spec that is asked for by flags, over a file if there is one. */
async function specOf(options: Partial<Options>, operands = {}, environment = {}): Promise<unknown> {
  const { resource } = await buildRequest(options as Options, { ...none, ...operands }, environment);
  return resource.spec;
}

/** Writes a resource file beside a repository `repo`, and gives its path. */
async function resourceFile(folder: string, text: string): Promise<string> {
  if (!existsSync(join(folder, "repo"))) makeRepository(join(folder, "repo"), { "a.txt": "a" });
  const path = join(folder, "build.yaml");
  await writeFile(path, text);
  return path;
}

async function refused(work: Promise<unknown>, expected: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, expected);
    return true;
  });
}

test("buildRequest adds what is always kept to the artifacts that are kept without that flag", async () => {
  const always = { glob: "*.log", when: "always" };
  const artifactsOf = async (options: Partial<Options>) =>
    (await specOf({ artifactAlways: ["*.log"], ...options }) as { artifacts: unknown }).artifacts;
  assert.deepEqual(await artifactsOf({}), ["build/app/outputs/flutter-apk/*.apk", always]);
  assert.deepEqual(await artifactsOf({ command: ["make"] }), [always]);
  assert.deepEqual(await artifactsOf({ artifact: ["app"] }), ["app", always]);
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    `resource: flutter-builder\nspec: { repository: "${URL}", artifacts: [{ glob: dist, when: failure }] }\n`,
  );
  assert.deepEqual(await artifactsOf({ file }), [{ glob: "dist", when: "failure" }, always]);
});

test("buildRequest says nothing of what no flag says", async () => {
  const { resource, plan, secrets } = await buildRequest({} as Options, none, {});
  assert.deepEqual(resource.spec, { repository: URL });
  assert.equal(resource.name, "app");
  assert.equal(resource.resource, "flutter-builder");
  assert.deepEqual(plan.spec.commands, ["flutter pub get", "flutter build apk --release"]);
  assert.deepEqual(secrets, {});
});

test("buildRequest takes every flag into the spec, with its text where that has a unit", async () => {
  const spec = await specOf(
    {
      ref: "v1",
      depth: 0,
      submodules: true,
      image: "gcc:14",
      pull: "never",
      command: ["./configure", "make"],
      workdir: "sub",
      env: [{ name: "A", value: "1" }, { name: "B", value: undefined }],
      secret: ["S"],
      artifact: ["lib*"],
      timeout: "30m",
      cpus: 1.5,
      memory: "4g",
      pids: 100,
      network: "none",
      user: "1000",
      grace: "3s",
      maxLog: "5m",
      maxArtifacts: "6m",
      keep: "failure",
    },
    {},
    { B: "2", S: "hidden" },
  );
  assert.deepEqual(spec, {
    repository: URL,
    ref: "v1",
    depth: 0,
    submodules: true,
    image: "gcc:14",
    pull: "never",
    commands: ["./configure", "make"],
    workdir: "sub",
    env: [{ name: "A", value: "1" }, { name: "B", value: "2" }],
    secrets: ["S"],
    artifacts: ["lib*"],
    timeout: "30m",
    limits: { cpus: 1.5, memory: "4g", pids: 100, log: "5m", artifacts: "6m" },
    network: "none",
    user: "1000",
    grace: "3s",
    keep: "failure",
  });
});

test("buildRequest keeps the values of secrets out of the resource", async () => {
  const { resource, secrets } = await buildRequest({ secret: ["TOKEN"] } as Options, none, {
    TOKEN: "hunter2",
  });
  assert.deepEqual(secrets, { TOKEN: "hunter2" });
  assert.equal(JSON.stringify(resource).includes("hunter2"), false);
});

test("buildRequest refuses a spec in which a secret's value stands, and takes what is named as both as a secret", async () => {
  const environment = { TOKEN: "hunter2-hunter2", SHORT: "ma" };
  const secret = ["TOKEN", "SHORT"];
  const cases: [Partial<Options>, string][] = [
    [{ command: ["make", "curl -H hunter2-hunter2"] }, "spec\\.commands\\.1"],
    [{ env: [{ name: "A", value: "Bearer hunter2-hunter2" }] }, "spec\\.env\\.0\\.value"],
    [{ artifact: ["hunter2-hunter2/*"] }, "spec\\.artifacts\\.0"],
  ];
  for (const [options, place] of cases) {
    await refused(
      specOf({ secret, ...options }, {}, environment),
      new RegExp(`^${place}: The value of the secret "TOKEN" stands in it: (?!.*hunter2)`),
    );
  }
  const both = { secret, ref: "main", env: [{ name: "TOKEN", value: undefined }, { name: "B", value: "1" }] };
  assert.deepEqual(await specOf(both, {}, environment), {
    repository: URL,
    ref: "main",
    env: [{ name: "B", value: "1" }],
    secrets: secret,
  });
});

test("buildRequest takes the words after -- as one command's arguments", async () => {
  const spec = await specOf({}, { command: ["sh", "-c", "echo  $HOME"] });
  assert.deepEqual(spec, { repository: URL, commands: [["sh", "-c", "echo  $HOME"]] });
  await refused(specOf({ command: ["make"] }, { command: ["make"] }), /given twice, with -c and after "--"/);
});

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

test("buildRequest makes a path absolute, from where we are", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "my repo");
  makeRepository(repo, { "a.txt": "a" });
  const image = "gcc:14";
  const operands = { ...none, repository: relative(".", repo) };
  const { resource } = await buildRequest({ image, command: ["make"] } as Options, operands, {});
  assert.deepEqual(resource.spec, { repository: repo, image, commands: ["make"] });
  assert.equal(resource.name, "my-repo");
});

test("buildRequest pins the commit of a local repository by all the names that git takes", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "packages/app/a.txt": "a" });
  const commit = git(repo, "rev-parse", "HEAD").trim();
  git(repo, "tag", "v1");
  git(repo, "update-ref", "refs/pull/7/head", "HEAD");
  const localOf = async (ref: string | undefined, repository = repo) =>
    (await buildRequest({ ref, image: "gcc:14" } as Options, { repository, command: ["make"] }, {})).local;
  const names: [string | undefined, string][] = [
    [undefined, "refs/heads/main"],
    ["HEAD", "refs/heads/main"],
    ["main", "refs/heads/main"],
    ["tags/v1", "refs/tags/v1"],
    ["refs/pull/7/head", "refs/pull/7/head"],
    [commit, ""],
    [commit.slice(0, 6), ""],
  ];
  for (const [name, ref] of names) {
    assert.deepEqual((await localOf(name))?.commit, { repository: repo, commit, ref }, name ?? "HEAD");
  }
  assert.equal((await localOf("no-such"))?.commit, undefined);
  assert.equal((await localOf(undefined))?.below, "");
  await rm(join(repo, ".git/index"));
  await mkdir(join(repo, ".git/index"));
  const unsure = await localOf(undefined);
  assert.equal(unsure?.commit?.commit, commit);
  assert.match(String(unsure?.workTree), /index": expected a regular file/);
  const below = await localOf(undefined, join(repo, "packages/app"));
  assert.deepEqual([below?.below, below?.commit?.commit], ["packages/app", commit]);
});

test("buildRequest refuses a path that is no repository, and repositories that git would run a helper for", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "plain"));
  await refused(specOf({}, { repository: join(folder.path, "plain") }), /not in a git repository/);
  await refused(specOf({}, { repository: join(folder.path, "absent") }), /does not exist/);
  await refused(specOf({}, { repository: "ext::sh -c id" }), /"ext::sh -c id".*never run/);
  await refused(specOf({}, { repository: "EXT::sh -c id" }), /never run/);
  await refused(specOf({}, { repository: "file:///etc" }), /"file:\/\/\/etc": expected an https or ssh URL/);
  await refused(specOf({}, { repository: "--upload-pack=id" }), /begins with "-"/);
  await refused(
    specOf({}, { repository: "https://me:hunter2@host/x" }),
    /^(?!.*hunter2).*without credentials/,
  );
  await refused(specOf({ ref: "--output=x" }), /spec\.ref: Invalid ref/);
});

test("buildRequest refuses what is not set here, and names all of it", async () => {
  await refused(
    specOf({ env: [{ name: "A", value: undefined }, { name: "B", value: undefined }] }),
    /^--env: The variable "A" is not set here.*\n--env: The variable "B" is not set/,
  );
  await refused(
    specOf({ secret: ["S", "T"] }, {}, { S: "" }),
    /^Cannot take the secret "S": expected.*\nCannot take the secret "T"/,
  );
});

test("buildRequest refuses a bad spec with each problem on a line of its own", async () => {
  await using folder = await temporaryFolder();
  const file = await resourceFile(
    folder.path,
    `
resource: flutter-builder
spec: { imag: x, depth: -1, limits: { cpus: two }, pull: sometimes }
`,
  );
  await assert.rejects(specOf({ file }), (error: unknown) => {
    assert.ok(error instanceof InputError);
    const lines = error.message.split("\n");
    assert.equal(lines.length, 3 * 4);
    for (const place of ['"imag" (did you mean "image"?)', "depth", "limits.cpus", "pull"]) {
      assert.ok(lines.some((line) => /build\.yaml:3:\d+: spec/.test(line) && line.includes(place)), place);
    }
    return true;
  });
  await refused(specOf({ workdir: "../..", artifact: ["/etc/*"] }), /spec\.workdir: .*\nspec\.artifacts: /);
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

test("buildRequest refuses elsewhere what is here only, and leaves the rest to the drivers' operator", async () => {
  await using folder = await temporaryFolder();
  const elsewhere = (options: Partial<Options>, repository: string | undefined = URL) =>
    buildRequest(options as Options, { ...none, repository }, {}, { elsewhere: true });
  await refused(elsewhere({}, folder.path), /^Cannot submit the folder ".*": expected an https or ssh URL/);
  const local = await resourceFile(folder.path, "{resource: flutter-builder, spec: {repository: repo}}");
  await refused(
    buildRequest({ file: local } as Options, { ...none, repository: undefined }, {}, { elsewhere: true }),
    /^Cannot submit the folder ".*\/repo"/,
  );
  const file = join(folder.path, "other.yaml");
  await writeFile(
    file,
    `
resource: flutter-builder
spec:
  network: internal
  privileged: true
  env: [{ name: X, valueFrom: OF_THE_DRIVER }]
`,
  );
  const { resource } = await elsewhere({ file });
  assert.deepEqual(resource.spec, {
    repository: URL,
    network: "internal",
    privileged: true,
    env: [{ name: "X", valueFrom: "OF_THE_DRIVER" }],
  });
});

test("buildRequest takes a pipeline's name from a file for a control plane only, and the name of the build's own anywhere", async () => {
  await using folder = await temporaryFolder();
  const build = async (pipeline: string, elsewhere: boolean) => {
    const path = join(folder.path, "build.yaml");
    await writeFile(path, `resource: flutter-builder\nspec: {}\npipeline: ${pipeline}\n`);
    return await buildRequest({ file: path } as Options, none, {}, { elsewhere });
  };
  assert.equal((await build("kept", true)).storedPipeline, "kept");
  const usual = await build("flutter-builder", false);
  assert.equal(usual.pipeline.steps.length, 4);
  assert.equal(usual.resource.pipeline, "flutter-builder");
  await refused(
    build("kept", false),
    /build\.yaml:3:11: pipeline: No pipeline "kept" is stored here: expected a list of steps, or "flutter-builder"/,
  );
  for (const elsewhere of [true, false]) {
    await refused(
      build("./kept.yaml", elsewhere),
      /:3:11: pipeline: A file cannot name another one, "\.\/kept\.yaml": expected a list of steps\n/,
    );
    await refused(build('" "', elsewhere), /:3:11: pipeline: expected a list of steps, or the name .*" "/);
  }
});

test("buildRequest says what it takes for granted of a repository elsewhere, where nothing says how to build it", async () => {
  const assumed = async (options: Partial<Options>, operands = {}, elsewhere = false) =>
    (await buildRequest(options as Options, { ...none, ...operands }, {}, { elsewhere })).assumed;
  const said =
    /^Nothing says what to run, so it is built as a Flutter application: a \.conveyor\.yaml is read only where /;
  assert.match(await assumed({}) ?? "", said);
  assert.match(await assumed({ depth: 0 }, {}, true) ?? "", said);
  assert.match(await assumed({ image: "debian:12" }) ?? "", said);
  assert.equal(await assumed({}, { command: ["make"] }), undefined);
  await using folder = await temporaryFolder();
  const file = await resourceFile(folder.path, `resource: flutter-builder\nspec: { repository: "${URL}" }\n`);
  assert.equal(await assumed({ file }, { repository: undefined }), undefined);
});
