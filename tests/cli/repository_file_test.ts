import assert from "node:assert/strict";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { init } from "../../lib/cli/init/init.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

type Options = Parameters<typeof buildRequest>[0];

const file = (...lines: string[]) =>
  ["resource: flutter-builder", "spec:", ...lines.map((line) => `  ${line}`), ""].join("\n");

/** A repository `repo` with these files, and what is asked for when it is built with some flags. */
async function repository(files: Record<string, string>) {
  const folder = await temporaryFolder();
  const path = join(folder.path, "repo");
  makeRepository(path, files);
  const ask = (options: Partial<Options> = {}, environment = {}) =>
    buildRequest(options as Options, { repository: path, command: undefined }, environment);
  return {
    path,
    ask,
    refusal: async (options: Partial<Options> = {}, environment = {}) => {
      const error = await ask(options, environment).then(() => assert.fail("Not refused"), (error) => error);
      assert.ok(error instanceof InputError, String(error));
      return error.message;
    },
    commit(name: string) {
      git(path, "add", "--all");
      git(path, "commit", "--quiet", "--message", name);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("a repository's own file says how it is built: as committed, under the flags, and not where another file is named", async () => {
  const first = file("image: gcc:13", "commands: [make]", "env: [{ name: A, value: '1' }]");
  await using made = await repository({ ".conveyor.yaml": first });
  git(made.path, "tag", "v1");
  await writeFile(join(made.path, ".conveyor.yaml"), file("image: gcc:14", "commands: [make, make test]"));
  const imageOf = async (options: Partial<Options> = {}) => (await made.ask(options)).plan.spec.image;
  assert.equal(await imageOf(), "gcc:13");
  made.commit("second");
  assert.equal(await imageOf(), "gcc:14");
  const old = await made.ask({ ref: "v1", timeout: "5m" });
  const { timeout, ...spec } = old.resource.spec as Record<string, unknown>;
  assert.deepEqual([timeout, spec], ["5m", {
    repository: made.path,
    ref: "v1",
    image: "gcc:13",
    commands: ["make"],
    env: [{ name: "A", value: "1" }],
  }]);
  assert.match(old.fileName ?? "", /^\.conveyor\.yaml of the commit [0-9a-f]{12}$/);
  // An image that the repository chooses gets no git credentials.
  assert.deepEqual(old.trustedImages, []);
  assert.equal(await imageOf({ image: "mine" }), "mine");
  const other = join(made.path, "other.json");
  await writeFile(other, JSON.stringify({ resource: "flutter-builder", spec: { image: "other" } }));
  assert.equal(await imageOf({ file: other }), "other");
});

test("a repository's own file takes nothing of the caller or the machine, and does not choose what is built", async () => {
  await using made = await repository({ "a": "a" });
  const refusals = async (...lines: string[]) => {
    await writeFile(join(made.path, ".conveyor.yaml"), file("image: gcc:14", ...lines));
    made.commit(lines.join());
    return await made.refusal({}, { HOME: "/root", KEY: "hunter2hunter2" });
  };
  const name = "\\.conveyor\\.yaml of the commit [0-9a-f]{12}";
  const cases: [string, string][] = [
    ["secrets: [KEY]", "spec\\.secrets\\.0: .* allow it with --secret KEY$"],
    ["env: [{ name: A, valueFrom: HOME }]", "spec\\.env\\.0\\.valueFrom: .* allow it with -e HOME$"],
    ["network: host", "spec\\.network: .* allow it with --network host$"],
    ["privileged: true", "spec\\.privileged: "],
    ["keep: always", "spec\\.keep: .* allow it with --keep always$"],
    ["limits: { pids: 100000 }", "spec\\.limits\\.pids: .* allow it with --pids 100000$"],
  ];
  for (const [line, expected] of cases) {
    assert.match(await refusals(line), new RegExp(`^${name}: ${expected}`), line);
  }
  const chosen = await refusals("repository: https://git.example.com/other.git", "ref: main");
  assert.match(chosen, new RegExp(`^${name}: It says what is built\n${name}:4:3: spec\\.repository: .*\n`));
  assert.match(chosen, /:5:3: spec\.ref: .*expected nothing\n {2}5 \| {3}ref: main\n {4}\| {3}\^$/);
  assert.match(
    await refusals("comands: [make]"),
    new RegExp(
      `^${name}:4:3: spec: unrecognized key: "comands" \\(did you mean "commands"\\?\\)\n {2}4 \\| {3}comands: \\[make\\]\n {4}\\| {3}\\^$`,
    ),
  );
  assert.match(await refusals("limits: { memry: 1g }"), /"memry" \(did you mean "memory"\?\)/);
  await writeFile(join(made.path, ".conveyor.json"), "{}");
  made.commit("two");
  assert.match(await made.refusal(), /has both "\.conveyor\.yaml" and "\.conveyor\.json": expected one/);
});

test("a repository's own file is a file, not a link to another one", async () => {
  await using made = await repository({ "other.yaml": file("image: gcc:14") });
  await symlink("other.yaml", join(made.path, ".conveyor.yaml"));
  made.commit("link");
  assert.match(
    await made.refusal(),
    /^Cannot use "\.conveyor\.yaml" of the commit .*: it is a symbolic link/,
  );
});

test("a repository that nothing says how to build is refused with an example, unless it is a Flutter application", async () => {
  await using made = await repository({ "package.json": `{"scripts":{"test":"x"}}`, "app/a": "a" });
  assert.match(
    await made.refusal(),
    /^Nothing says how to build ".*": .* as in: flutter-ci run --image node:24 -c 'npm install' -c 'npm run test'; "flutter-ci init" /,
  );
  const said = await made.ask({ command: ["make"], image: "gcc:14" });
  assert.deepEqual([said.plan.spec.commands, said.assumed], [["make"], undefined]);
  assert.match(
    await made.refusal({ image: "mine" }),
    /^Nothing says what to run in "mine", and ".*" has no pubspec\.yaml .* as in: flutter-ci run --image mine -c 'npm install'/,
  );
  const inFlutters = /^Nothing names an image, so it is built in Flutter's, ghcr\.io\/.*: --image$/;
  assert.match((await made.ask({ command: ["make"] })).assumed ?? "", inFlutters);
  await writeFile(join(made.path, "app/pubspec.yaml"), "name: app\n");
  made.commit("app");
  assert.match(
    await made.refusal(),
    /^Nothing says how to build ".*": it has no \.conveyor\.yaml, and no pubspec\.yaml /,
  );
  await writeFile(join(made.path, ".conveyor.yaml"), file("limits: { cpus: 1 }"));
  assert.match(
    await made.refusal(),
    /^Nothing says how to build ".*": its \.conveyor\.yaml is not in the commit .* committed, or --dirty,/,
  );
  made.commit("file");
  assert.match(
    await made.refusal(),
    /^Nothing says how to build ".*": \.conveyor\.yaml of the commit [0-9a-f]{12} names neither an image nor commands, and there is no pubspec\.yaml .* add spec\.image and spec\.commands to the file$/,
  );
  assert.match((await made.ask({ workdir: "app" })).plan.spec.image, /flutter/);
  const steps = "\npipeline: [{ driver: container-start }]\n";
  await writeFile(join(made.path, ".conveyor.yaml"), `${file("image: mine").trim()}${steps}`);
  made.commit("without commands");
  assert.equal((await made.ask()).plan.spec.image, "mine");
  for (const options of [{ image: "mine" }, { command: ["flutter test"] }]) {
    assert.equal((await made.ask({ workdir: "app", ...options })).assumed, undefined);
  }
});

test("init writes a file that builds what it found, and replaces one only when it is told to", async () => {
  const found: [Record<string, string>, string, string[], string[]?][] = [
    [{ "pubspec.yaml": "" }, "ghcr.io/cirruslabs/flutter:3.38.5", [
      "flutter pub get",
      "flutter build apk --release",
    ], ["/root/.pub-cache", "/root/.gradle"]],
    [{ "package.json": `{"scripts":{"build":"x","test":"y"}}`, "package-lock.json": "{}" }, "node:24", [
      "npm ci",
      "npm run build",
      "npm run test",
    ], ["/root/.npm"]],
    [{ "package.json": "{ broken", "Makefile": "" }, "node:24", ["npm install"], ["/root/.npm"]],
    [
      { "package.json": "{}", "pnpm-lock.yaml": "" },
      "node:24",
      ["corepack enable && pnpm install --frozen-lockfile"],
      ["/var/cache/pnpm"],
    ],
    [{ "package.json": "{}", "yarn.lock": "" }, "node:24", ["corepack enable && yarn install --immutable"]],
    [{ "go.mod": "module x\n\ngo 1.24.1\n" }, "golang:1.24", ["go build ./...", "go test ./..."], [
      "/root/.cache/go-build",
      "/go/pkg/mod",
    ]],
    [{ "Cargo.toml": "" }, "rust:1", ["cargo build --release", "cargo test --release"], [
      "/usr/local/cargo/registry",
    ]],
    [{ "pyproject.toml": "" }, "python:3.13", ["pip install . pytest && pytest"], ["/root/.cache/pip"]],
    [{ "Makefile": "" }, "gcc:14", ["make"]],
    [{ "GNUmakefile": "" }, "gcc:14", ["make"]],
  ];
  for (const [files, image, commands, caches = []] of found) {
    await using made = await repository(files);
    assert.match(await init(made.path, { force: false }), /^Wrote .*\/repo\/\.conveyor\.yaml, as for a /);
    made.commit("init");
    const { spec } = (await made.ask()).plan;
    assert.deepEqual([spec.image, spec.commands], [image, commands]);
    assert.deepEqual(spec.cache.map(({ path }) => path), caches);
    for (const variable of spec.env) {
      assert.ok("value" in variable && caches.includes(variable.value), "the tool is led to its cache");
    }
    await assert.rejects(init(made.path, { force: false }), /^InputError: There is ".*" already: .*--force/);
    assert.match(await init(made.path, { force: true }), /^Wrote/);
    assert.equal(git(made.path, "status", "--porcelain"), "");
  }
});

test("init writes to the top of the repository, and never through a link", async () => {
  await using made = await repository({ "sub/a": "a" });
  await using elsewhere = await temporaryFolder();
  const target = join(elsewhere.path, "target");
  await writeFile(target, "mine");
  await symlink(target, join(made.path, ".conveyor.yaml"));
  await assert.rejects(init(join(made.path, "sub"), { force: false }), /already/);
  assert.match(await init(join(made.path, "sub"), { force: true }), /nothing that is known was found/);
  made.commit("init");
  assert.equal((await made.ask()).plan.spec.image, "gcc:14");
  await assert.rejects(
    init(elsewhere.path, { force: false }),
    /^InputError: Cannot write into ".*": it is not in a git repository$/,
  );
});

test("a file that is not UTF-8 is refused, in the repository and on the command line", async () => {
  await using made = await repository({ "a.txt": "a" });
  const latin = Buffer.from(
    "resource: flutter-builder\nspec: { image: i, commands: [echo \xe4] }\n",
    "latin1",
  );
  const path = join(made.path, ".conveyor.yaml");
  await writeFile(path, latin);
  assert.match(await made.refusal({ file: path }), /^--file: Cannot read ".*": it is not a text in UTF-8$/);
  made.commit("second");
  assert.match(
    await made.refusal(),
    /^\.conveyor\.yaml of the commit [0-9a-f]{12}: Cannot be read: it is not a text in UTF-8$/,
  );
});
