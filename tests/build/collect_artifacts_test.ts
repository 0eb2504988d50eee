import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError, StepFailure } from "../../lib/base/errors.ts";
import { collectArtifacts } from "../../lib/build/artifacts/collect.ts";
import type { BuildEnd } from "../../lib/build/artifacts/wanted.ts";
import { idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { fakeDocker, planFor } from "./fake-docker.ts";
import { FakeWorkspace, type Node, type WorkspaceOptions } from "./fake-workspace.ts";

interface Given extends WorkspaceOptions {
  readonly end?: BuildEnd;
  readonly spec?: object;
  readonly settings?: Parameters<typeof testSettings>[0];
  readonly docker?: object;
  readonly context?: (context: ReturnType<typeof stepContext>) => Partial<BuildContext>;
}

/** Keeps what the globs choose of a build's workspace. */
async function collect(nodes: Record<string, Node>, artifacts: unknown[], given: Given = {}) {
  const { end = "success", spec = {}, settings = {}, context: more, docker = {}, ...options } = given;
  const workspace = new FakeWorkspace(nodes, options);
  const fake = fakeDocker({ workspace });
  Object.assign(fake.docker, docker);
  const container = fake.add(idleName("r"), { ...runLabels("me", "r"), [LABELS.user]: "1000" });
  const whole = { repository: "https://example.org/a.git", image: "i", commands: ["x"], artifacts, ...spec };
  const context = stepContext(fake.docker, whole, {
    run: "r",
    settings: testSettings({ owner: "me", graceMs: 1, ...settings }),
  });
  const kept = await collectArtifacts({ ...context, ...more?.(context) }, container, planFor(context), end)
    .catch((error: Error) => error);
  const stored = Object.fromEntries([...context.artifacts].map(([name, bytes]) => [name, `${bytes}`]));
  const failure = kept instanceof StepFailure ? `${kept.reason}: ${kept.message}` : undefined;
  const lines = (await context.lines()).map((line) => line.replace(/^system /, ""));
  return { kept: kept instanceof Error ? [] : kept, thrown: kept, failure, stored, lines, workspace };
}

const FILES = { "out/a.txt": "one", "out/b.sh": "three", "src/c.txt": "c" };

test("artifacts are kept under their names, with their sizes and modes, whatever sends them", async () => {
  for (const hasTar of [true, false]) {
    const { kept, stored, lines, workspace } = await collect(FILES, ["out/*", "!out/c"], { hasTar });
    assert.deepEqual(stored, { "out/a.txt": "one", "out/b.sh": "three" });
    assert.deepEqual(kept.map(({ name, path, size, mode }) => [name, path, size, mode]), [
      ["out/a.txt", "out/a.txt", 3, undefined],
      ["out/b.sh", "out/b.sh", 5, "0755"],
    ]);
    assert.deepEqual(lines, ["Kept out/a.txt (3 B)", "Kept out/b.sh (5 B)"]);
    assert.deepEqual(workspace.sessions, { begun: 1, ended: 1 });
  }
});

test("globs start in the build's folder, and one file alone comes from Docker by its own path", async () => {
  const { kept, stored } = await collect(FILES, ["a.txt"], { spec: { workdir: "out" }, hasTar: false });
  assert.deepEqual(stored, { "a.txt": "one" });
  assert.deepEqual(kept.map(({ path }) => path), ["out/a.txt"]);
  const whole = await collect({ "a.txt": "1", "b/c.txt": "2" }, ["**"], { hasTar: false });
  assert.deepEqual(whole.stored, { "a.txt": "1", "b/c.txt": "2" });
});

test("links stand for their files, and a file with several names is kept under each of them", async () => {
  const nodes = {
    "out/a": "text",
    "out/b": { sameAs: "out/a" },
    latest: { link: "out/a" },
    dir: { link: "out" },
    away: { link: "/etc/passwd" },
    "/etc/passwd": "root",
  };
  for (const hasTar of [true, false]) {
    const { stored } = await collect(nodes, ["out/*", "latest", "dir/a"], { hasTar });
    assert.deepEqual(stored, { "dir/a": "text", "latest": "text", "out/a": "text", "out/b": "text" });
  }
  const { failure, stored } = await collect(nodes, ["away"]);
  assert.equal(
    failure,
    'artifact-failed: Cannot keep the artifact "away": it links to something outside of the workspace',
  );
  assert.deepEqual(stored, {});
  const lenient = [{ glob: "*", when: "failure" }];
  const gone = await collect({ ...nodes, nowhere: { link: "nothing" } }, lenient, { end: "failure" });
  assert.deepEqual(gone.lines.slice(0, 3).sort(), [
    'Left out "away": it links to something outside of the workspace',
    'Left out "dir": it links to a folder, which a glob has to name',
    'Left out "nowhere": it links to nothing',
  ]);
});

test("a failure names all files that cannot be kept, ten at most, with the bytes of their names", async () => {
  const nodes = { "out/a\tb": "1", "out/\udcff\udc80ü": "2", "out/good": "3", "out/-rf": "4" };
  const { failure, stored, lines } = await collect(nodes, ["out", "*.zip"]);
  assert.equal(
    failure,
    'artifact-failed: Cannot keep 2 artifacts: "out/a\\tb": its name has a control character or a backslash; ' +
      '"out/\\xff\\x80ü": its name is not UTF-8',
  );
  assert.deepEqual(stored, {});
  assert.deepEqual(lines, ['No file matches the artifact glob "*.zip" in /workspace']);
  const rest = await collect(nodes, ["out", "!out/a*", "!out/??ü"]);
  assert.deepEqual(rest.stored, { "out/-rf": "4", "out/good": "3" });
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`\x01${i + 10}`, "x"]));
  const first = await collect(many, ["*"]);
  assert.match(
    first.failure ?? "",
    /^artifact-failed: Cannot keep 12 artifacts: "\\u000110": its .*; and 2 more$/,
  );
  assert.equal(first.failure?.match(/its name/g)?.length, 10);
  const failed = await collect(nodes, [{ glob: "out", when: "always" }], { end: "failure" });
  assert.deepEqual(failed.lines, [
    'Left out "out/a\\tb": its name has a control character or a backslash',
    'Left out "out/\\xff\\x80ü": its name is not UTF-8',
    "Kept all the same: out/-rf, out/good",
  ]);
});

test("names that are one in other systems are kept apart", async () => {
  const nodes = { "A": "1", "a": "2", "caf\u00e9": "3", "cafe\u0301": "4", "..a/...": "5" };
  const { stored } = await collect(nodes, ["*", "..a/..."]);
  assert.deepEqual(stored, nodes);
});

test("what lies in .git is kept only where a glob names it", async () => {
  const nodes = { ".git/config": "c", a: "a" };
  assert.deepEqual((await collect(nodes, ["**"])).stored, { a: "a" });
  assert.deepEqual((await collect(nodes, [".git/config"])).stored, { ".git/config": "c" });
  const below = { "lib/.git/config": "c", a: "a" };
  assert.deepEqual((await collect(below, ["**"])).stored, { a: "a" });
  for (const globs of [["a", "*/.git/config"], ["{a,*/.git/config}"]]) {
    assert.deepEqual((await collect(below, globs)).stored, { a: "a", "lib/.git/config": "c" }, globs.join());
  }
});

test("a build that succeeds needs a file for each glob, unless that may choose none", async () => {
  const cases: [globs: unknown[], failure: string | undefined][] = [
    [["*.zip"], 'No file matches the artifact glob "*.zip" in /workspace'],
    [["out/*", "*.zip", "*.tar"], 'No file matches the artifact glob "*.zip", "*.tar" in /workspace'],
    [
      ["out/a.txt", "!out/a.*"],
      'All that the artifact glob "out/a.txt" matches in /workspace is taken away by another glob',
    ],
    [
      ["out/a.txt", "*.zip", "!out/a.*"],
      'No file matches the artifact glob "out/a.txt", "*.zip" in /workspace',
    ],
    [[{ glob: "*.zip", allowEmpty: true }, "out/*"], undefined],
    [[{ glob: "*.zip", when: "failure" }, "out/*"], undefined],
  ];
  for (const [globs, failure] of cases) {
    const found = await collect(FILES, globs);
    assert.equal(found.failure, failure && `artifact-failed: ${failure}`);
    if (failure !== undefined) assert.deepEqual(found.stored, {});
  }
  const many = await collect(FILES, Array.from({ length: 21 }, (_, i) => `${i}.zip`));
  assert.match(many.failure ?? "", /"19\.zip" and 1 more in /);
  const few = await collect(FILES, Array.from({ length: 20 }, (_, i) => `${i}.zip`));
  assert.match(few.failure ?? "", /"19\.zip" in /);
});

test("a build that failed keeps what it can in one line, and says what is missing", async () => {
  const wanted = ["out/*", "*.zip"].map((glob) => ({ glob, when: "always" }));
  const { kept, lines } = await collect(FILES, wanted, { end: "failure" });
  assert.equal(kept.length, 2);
  assert.deepEqual(lines, [
    'No file matches the artifact glob "*.zip" in /workspace',
    "Kept all the same: out/a.txt, out/b.sh",
  ]);
  const none = await collect(FILES, [{ glob: "*.zip", when: "always" }], { end: "failure" });
  assert.deepEqual(none.lines, ['No file matches the artifact glob "*.zip" in /workspace']);
  const onlyOfSuccess = await collect(FILES, ["out/*"], { end: "failure" });
  assert.deepEqual([onlyOfSuccess.kept, onlyOfSuccess.workspace.sessions.begun], [[], 0]);
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`f${i + 10}`, "x"]));
  const long = await collect(many, [{ glob: "*", when: "failure" }], { end: "failure" });
  assert.match(long.lines.join("\n"), /f28, f29 and 1 more$/);
  delete many["f10"];
  const whole = await collect(many, [{ glob: "*", when: "failure" }], { end: "failure" });
  assert.match(whole.lines.join("\n"), /f29, f30$/);
});

test("of many artifacts and many that are left out, a part is named and the rest is counted", async () => {
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`f${i + 1000}`, "x"]));
  const { lines, kept, stored } = await collect(many, ["*"]);
  assert.equal(lines.filter((line) => line.startsWith("Kept f")).length, 1000);
  assert.deepEqual(lines.slice(-2), ["Kept 1 more", "1001 artifacts are listed in artifacts.json"]);
  assert.deepEqual(kept.map(({ name }) => name), ["artifacts.json"]);
  assert.equal(Object.keys(stored).length, 1002);
  const links = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`l${i}`, { link: "no" }]));
  const leftOut = await collect({ a: "1", ...links }, ["*"]);
  assert.equal(leftOut.lines.filter((line) => line.endsWith(": it links to nothing")).length, 20);
  assert.ok(leftOut.lines.includes("Left out 1 more"));
});

test("files above the operator's limits are left out, and the rest is kept", async () => {
  const { stored, lines } = await collect(FILES, ["out/*"], { settings: { maxArtifactBytes: 4 } });
  assert.deepEqual(stored, { "out/a.txt": "one" });
  assert.match(lines[0] ?? "", /^1 artifact.* not kept: the artifacts are more than 4 B together$/);
});

test("a file that is gone or changed when it is read, and an archive that is cut, fail with what they are", async () => {
  for (const hasTar of [true, false]) {
    const gone = await collect(FILES, ["out/*"], { hasTar, gone: ["out/a.txt"] });
    assert.equal(
      gone.failure,
      `artifact-failed: Cannot keep the artifact "out/a.txt": it is gone, or the build's user cannot read it`,
    );
    const changed = await collect(FILES, ["out/*"], { hasTar, changed: { "out/a.txt": "other" } });
    assert.equal(
      changed.failure,
      'artifact-failed: Cannot keep the artifacts: "out/a.txt" was changed while it was read',
    );
    const cut = await collect(FILES, ["out/*"], { hasTar, archive: (bytes) => bytes.subarray(0, 700) });
    assert.equal(cut.failure, "artifact-failed: Cannot keep the artifacts: It is damaged or cut off");
    assert.deepEqual(cut.workspace.sessions, { begun: 1, ended: 1 });
  }
  const allGone = await collect({ a: "1" }, ["a"], { hasTar: false, gone: ["a"] });
  assert.match(allGone.failure ?? "", /"a": it is gone/);
  const twice = { a: "1", b: { sameAs: "a" } };
  const second = await collect(twice, ["*"], { docker: { copyOut: () => Promise.resolve(undefined) } });
  assert.equal(second.failure, 'artifact-failed: Cannot keep the artifact "b": it is gone');
});

test("files that cannot be looked at, and an answer that makes no sense, are named failures", async () => {
  const unread = await collect(FILES, ["out/*"], { unreadable: ["out"] });
  assert.equal(
    unread.failure,
    "artifact-failed: Cannot look for artifacts in /workspace: find could not read all of it",
  );
  const unsized = await collect(FILES, ["out/a.txt"], { unsized: ["out/a.txt"] });
  assert.match(unsized.failure ?? "", /"out\/a\.txt": its size cannot be told/);
  const unlisted = await collect(FILES, ["out/*"], { unsized: ["out/a.txt"] });
  assert.match(unlisted.failure ?? "", /"out\/a\.txt": its size cannot be told/);
  for (
    const [said, why] of [
      ["", "the container gave no answer"],
      ["tar\0/workspace\0", "the container gave no answer"],
      ["tar\0/workspace\0nonsense\0", "the container gave an answer that makes no sense"],
      ["x".repeat(33 * 1024 ** 2), "there are too many files, expected globs with a narrower folder"],
    ] as const
  ) {
    const { failure } = await collect({}, ["a"], { docker: { exec: () => Promise.resolve(saying(said)) } });
    assert.equal(failure, `artifact-failed: Cannot look for artifacts in /workspace: ${why}`);
  }
});

test("an error of the daemon under the session is told instead of the answer that it cost", async () => {
  const refused = await collect(FILES, ["out/*"], {
    docker: { exec: () => Promise.reject(new DockerError("no exec", { status: 500 })) },
  });
  assert.equal(refused.failure, "artifact-failed: Cannot keep the artifacts: Docker does not hand them out");
  assert.match(`${(refused.thrown as Error).cause}`, /no exec/);
  const strange = await collect(FILES, ["out/*"], {
    docker: { exec: () => Promise.reject(new TypeError("a fault of ours")) },
  });
  assert.match(`${strange.thrown}`, /TypeError: a fault of ours/);
});

test("a store that refuses an artifact fails with its name, and what it refuses late too", async () => {
  for (const error of [new InputError("it is too large"), new TypeError("broken")]) {
    for (const size of [5, 300_000]) {
      const nodes = { a: "1", b: "x".repeat(size), ...Object.fromEntries(names(40).map((n) => [n, "y"])) };
      const { thrown, workspace } = await collect(nodes, ["*"], {
        context: ({ putArtifact }) => ({
          putArtifact: (name, ...rest) => name === "b" ? Promise.reject(error) : putArtifact(name, ...rest),
        }),
      });
      const expected = error instanceof InputError
        ? 'StepFailure: Cannot keep the artifact "b": it is too large'
        : "TypeError: broken";
      assert.equal(`${thrown}`, expected);
      assert.equal(workspace.sessions.ended, 1);
    }
  }
});

test("an artifact that cannot be stored ends the session, however much would still come", async () => {
  let sent = 0;
  const { failure } = await collect({ a: "1", b: "x".repeat(300_000) }, ["*"], {
    *rest() {
      for (; sent < 1000; sent++) yield new Uint8Array(256 * 1024);
    },
    context: ({ putArtifact }) => ({
      putArtifact: (name, ...rest) =>
        name === "b" ? Promise.reject(new InputError("no room")) : putArtifact(name, ...rest),
    }),
  });
  assert.equal(failure, 'artifact-failed: Cannot keep the artifact "b": no room');
  assert.ok(sent < 20, `${sent} of 1000`);
});

test("a step that fails for one artifact waits for those that are still being stored", async () => {
  const later = Promise.withResolvers<void>();
  const events: string[] = [];
  const collecting = collect({ a: "1", b: "x".repeat(300_000) }, ["*"], {
    context: ({ putArtifact }) => ({
      putArtifact: async (name, ...rest) => {
        if (name === "b") {
          setTimeout(later.resolve, 20);
          throw new InputError("no room");
        }
        await later.promise;
        const stored = await putArtifact(name, ...rest);
        events.push(`stored ${name}`);
        return stored;
      },
    }),
  }).then(() => events.push("failed"));
  await collecting;
  assert.deepEqual(events, ["stored a", "failed"]);
});

test("small files are stored beside the reading of the next ones, and only so many of them at once", async () => {
  const nodes = Object.fromEntries(names(50).map((name) => [name, "x"]));
  const state = { now: 0, most: 0 };
  const { kept } = await collect(nodes, ["*"], {
    context: ({ putArtifact }) => ({
      putArtifact: async (...given) => {
        state.most = Math.max(state.most, ++state.now);
        const stored = await putArtifact(...given);
        await new Promise((resolve) => setImmediate(resolve));
        state.now--;
        return stored;
      },
    }),
  });
  assert.equal(kept.length, 50);
  assert.deepEqual(kept.map(({ name }) => name), names(50));
  assert.ok(state.most > 1 && state.most <= 16, `${state.most} at once`);
});

test("a step that is told to stop throws why, and leaves no session", async () => {
  const stop = new AbortController();
  const reason = new Error("told to stop");
  const { thrown, workspace } = await collect(FILES, ["out/*"], {
    context: ({ putArtifact }) => ({
      signal: stop.signal,
      putArtifact: async (...given) => {
        stop.abort(reason);
        return await putArtifact(...given);
      },
    }),
  });
  assert.equal(thrown, reason);
  assert.deepEqual(workspace.sessions, { begun: 1, ended: 1 });
});

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i + 10}`);

/** A process that says this and ends. */
function saying(text: string) {
  const output = (async function* () {
    if (text !== "") yield { stream: "stdout", data: Buffer.from(text) };
  })();
  return { id: "e", output, exitCode: () => Promise.resolve(0), detach() {} };
}
