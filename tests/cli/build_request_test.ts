import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";
import { none, type Options, refused, resourceFile, specOf, URL } from "./build-request.ts";

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
