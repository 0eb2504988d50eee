import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { parseAuthorities } from "../../lib/build/authorities/parse.ts";
import { clone } from "../../lib/build/git/clone.ts";
import { CLONE_EXIT, CLONE_SCRIPT } from "../../lib/build/git/clone-script.ts";
import { gitTokenOf } from "../../lib/build/git/git-token.ts";
import { gitContainerName, idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { DockerError, type ExecSpec } from "../../lib/docker/docker.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { type Answer, fakeDocker, planFor } from "./fake-docker.ts";

const COMMIT = "c0ffee".padEnd(40, "0");
const CHECKED_OUT = `commit=${COMMIT}\nref=refs/heads/main\n`;
const TOKENS = { gitTokens: { "git.example.com": "s3cret-token" }, gitImage: "git:2" };

interface World {
  readonly spec?: object;
  readonly policy?: Parameters<typeof testPolicy>[0];
  readonly secrets?: Record<string, string>;
  readonly attempt?: number;
  /** What the clone script does. */
  readonly git?: (spec: ExecSpec & { input: string }) => Answer | Promise<Answer>;
  readonly id?: Answer;
  readonly user?: string;
  readonly volumes?: Record<string, string>;
  readonly docker?: (docker: ReturnType<typeof fakeDocker>) => object;
  readonly before?: (docker: ReturnType<typeof fakeDocker>) => void;
  readonly signal?: AbortSignal;
}

/** Clones a repository into a build's container; the world as it is during and after it. */
async function cloned(world: World = {}) {
  const { spec = {}, policy = {}, secrets = {}, attempt = 1, git = () => ({ stdout: CHECKED_OUT }) } = world;
  const during: { states: Record<string, string>; where: string; spec: ExecSpec & { input: string } }[] = [];
  const states = () =>
    Object.fromEntries([...fake.containers.values()].map(({ name, state }) => [name, state]));
  const fake = fakeDocker({
    exec: (spec, container) => {
      if (spec.command[2] !== CLONE_SCRIPT) return world.id ?? { stdout: "1000:100\n" };
      during.push({ states: states(), where: container.replace("id-", ""), spec });
      return git(spec);
    },
  });
  const build = fake.add(idleName("r"), {
    ...runLabels("me", "r"),
    [LABELS.user]: world.user ?? "",
    [LABELS.expires]: "99",
    [LABELS.memory]: "1234",
    [LABELS.resource]: "app",
  }, { volumes: world.volumes ?? { "/workspace": "ws" } });
  world.before?.(fake);
  Object.assign(fake.docker, world.docker?.(fake));
  const whole = { repository: "https://git.example.com/app.git", image: "gcc:14", commands: ["x"], ...spec };
  const context = stepContext(fake.docker, whole, {
    run: "r",
    attempt,
    settings: testSettings({ owner: "me", graceMs: 1 }),
    policy: testPolicy(policy),
    secrets,
    ...world.signal && { signal: world.signal },
  });
  const result = await clone(context, build, planFor(context)).catch((error: Error) => error);
  const failure = result instanceof StepFailure ? `${result.reason}: ${result.message}` : undefined;
  const lines = (await context.lines()).map((line) => line.replace(/^system /, ""));
  return { ...fake, result, failure, during, states: states(), lines };
}

const BUILD = idleName("r");
const GIT = gitContainerName("r");

test("a repository without credentials is cloned in the build's container as its user, into the workspace", async () => {
  const { result, during, states, lines } = await cloned({
    user: "dev",
    spec: { ref: "v1", depth: 3, submodules: true, lfs: true, sparse: ["a", "b"] },
  });
  assert.deepEqual(result, { commit: COMMIT, ref: "refs/heads/main" });
  const [{ where, spec: { user, workdir, env } } = assert.fail()] = during;
  assert.deepEqual([where, user, workdir, during.length], [BUILD, "dev", "/workspace", 1]);
  const { READY, LOCAL, URL, REF, DEPTH, SUBMODULES, LFS, SPARSE, SIGNERS, ORIGIN, MIRROR } = env ?? {};
  assert.deepEqual(
    [READY, LOCAL, URL, REF, DEPTH, SUBMODULES, LFS, SPARSE, SIGNERS, ORIGIN, MIRROR],
    ["/", "", "https://git.example.com/app.git", "v1", "3", "1", "1", "a\nb", "", "", ""],
  );
  assert.deepEqual(states, { [BUILD]: "running" });
  assert.deepEqual(lines, ["Cloning https://git.example.com/app.git at v1"]);
  const plain = (await cloned()).during[0]?.spec.env;
  assert.deepEqual([plain?.REF, plain?.SUBMODULES, plain?.LFS, plain?.SPARSE], ["", "", "", ""]);
});

test("with credentials another container clones while the build's is paused, and nothing of it is left", async () => {
  const { result, during, states, lines, containers } = await cloned({ policy: TOKENS, user: "dev" });
  assert.ok(!(result instanceof Error), `${result}`);
  const [{ states: then, where, spec } = assert.fail()] = during;
  assert.deepEqual(then, { [BUILD]: "paused", [GIT]: "running" });
  assert.deepEqual([where, spec.user, spec.env?.READY], [GIT, "1000:100", "/.conveyor-ready"]);
  assert.deepEqual(states, { [BUILD]: "running" });
  assert.equal(containers.size, 1);
  assert.ok(spec.input.includes("s3cret-token"));
  assert.ok(!JSON.stringify(spec).replace(JSON.stringify(spec.input), "").includes("s3cret-token"));
  assert.deepEqual(lines, [
    "Cloning https://git.example.com/app.git, in a container of its own from git:2 with the credentials for git.example.com",
  ]);
});

test("the container that clones shares the build's workspace and network, and ends by itself", async () => {
  const created: object[] = [];
  await cloned({
    policy: TOKENS,
    user: "1000:7",
    spec: { timeout: "10m" },
    volumes: { "/workspace": "ws", "/.conveyor-git-private": "mirror" },
    docker: ({ docker }) => {
      const { create } = docker;
      return { create: (spec: object) => (created.push(spec), create(spec as never)) };
    },
  });
  const [{ command, capabilities, ...spec } = assert.fail()] = created as {
    command: string[];
    capabilities: string[];
  }[];
  assert.ok(!capabilities.includes("SETUID"));
  assert.equal(command[0], "-c");
  assert.deepEqual(spec, {
    name: GIT,
    image: "git:2",
    labels: {
      ...runLabels("me", "r"),
      [LABELS.resource]: "app",
      [LABELS.expires]: "99",
      [LABELS.keep]: "never",
      [LABELS.kind]: "git",
    },
    entrypoint: ["/bin/sh"],
    env: { USER_ID: "1000", GROUP_ID: "7", SECONDS_LEFT: "660" },
    user: "0",
    workdir: "/",
    volume: { target: "/workspace", name: "ws" },
    mounts: [{ target: "/.conveyor-git-private", name: "mirror" }],
    network: `container:id-${BUILD}`,
    privileged: false,
    pids: 1024,
    memory: 1234,
    removesItself: true,
  });
});

test("the build's user has the same numbers in the other container, or the clone says why not", async () => {
  const userOf = async (user: string, id: Answer = 1) => {
    const { during, failure } = await cloned({ policy: TOKENS, user, id });
    return failure ?? during[0]?.spec.user;
  };
  assert.equal(await userOf(""), "0:0");
  assert.equal(await userOf("12:34"), "12:34");
  assert.equal(await userOf("dev", { stdout: "5:6\n" }), "5:6");
  const unknown = 'image-unusable: Cannot find out the number of the user "dev": the image\'s id printed ';
  assert.equal(await userOf("dev", { exitCode: 1, stdout: "5:6" }), `${unknown}"5:6"`);
  assert.equal(await userOf("dev", { stdout: "what" }), `${unknown}"what"`);
});

test("whatever becomes of the other container, it is removed and the build's goes on", async () => {
  const failing = (status: number) => Promise.reject(new DockerError("refused", { status }));
  const refused = "container-failed: Cannot clone in a container of its own: refused";
  const cases: [docker: (fake: ReturnType<typeof fakeDocker>) => object, failure: string | RegExp][] = [
    [() => ({ pause: () => failing(500) }), refused],
    [() => ({ create: () => failing(500) }), /^container-failed: .*refused/],
    [() => ({ start: () => failing(500) }), /^container-failed: .*refused/],
    [
      ({ docker, docker: { start } }) => ({ start: (id: string) => start(id).then(() => docker.kill(id)) }),
      /^image-unusable: The container from "git:2" that clones ended at once/,
    ],
  ];
  for (const [docker, failure] of cases) {
    const found = await cloned({ policy: TOKENS, docker });
    if (typeof failure === "string") assert.equal(found.failure, failure);
    else assert.match(found.failure ?? "", failure);
    assert.deepEqual(found.states, { [BUILD]: "running" });
    assert.deepEqual(found.during, []);
  }
  const { failure, states } = await cloned({ policy: TOKENS, git: () => CLONE_EXIT.empty });
  assert.equal(failure, "ref-not-found: The repository has no commit at its HEAD");
  assert.deepEqual(states, { [BUILD]: "running" });
  const strange = await cloned({ policy: TOKENS, git: () => Promise.reject(new TypeError("ours")) });
  assert.match(`${strange.result}`, /TypeError: ours/);
  assert.deepEqual(strange.states, { [BUILD]: "running" });
});

test("a container that an earlier attempt has left is replaced, and one with its name of somebody else is not", async () => {
  const left = await cloned({
    policy: TOKENS,
    before: (fake) => fake.add(GIT, { ...runLabels("me", "r"), old: "yes" }),
  });
  assert.ok(!(left.result instanceof Error), `${left.result}`);
  assert.deepEqual(left.states, { [BUILD]: "running" });
  const foreign = await cloned({
    policy: TOKENS,
    before: (fake) => fake.add(GIT, runLabels("other", "r")),
  });
  assert.match(foreign.failure ?? "", /^container-failed: .*the name is taken/);
  assert.deepEqual(foreign.states, { [BUILD]: "running", [GIT]: "running" });
});

test("a build without a workspace is not cloned into, and its container goes on", async () => {
  const { failure, states } = await cloned({ policy: TOKENS, volumes: {} });
  assert.equal(failure, "container-lost: The run's container has no workspace");
  assert.deepEqual(states, { [BUILD]: "running" });
});

test("a step that is told to stop before it clones begins nothing", async () => {
  const reason = new Error("told to stop");
  const { result, states, during } = await cloned({ policy: TOKENS, signal: AbortSignal.abort(reason) });
  assert.equal(result, reason);
  assert.deepEqual([states, during], [{ [BUILD]: "running" }, []]);
});

test("a later attempt first ends what the one before has left running", async () => {
  const killed: string[] = [];
  const docker = () => ({
    processes: () => Promise.resolve([1, 2, 3]),
    kill: (id: string) => (killed.push(id), Promise.resolve(true)),
  });
  await cloned({ docker });
  assert.deepEqual(killed, []);
  await cloned({ docker, attempt: 2 });
  assert.deepEqual(killed, [`id-${BUILD}`]);
});

test("what the script says of the mirror and of the signer is told, and a signature is not taken on trust", async () => {
  const said = (text: string) => () => ({ stdout: text + CHECKED_OUT });
  const mirrored = await cloned({ git: said("mirror=changed\n") });
  assert.deepEqual(mirrored.result, { commit: COMMIT, ref: "refs/heads/main", mirror: "changed" });
  assert.deepEqual((await cloned({ git: said("mirror=strange\n") })).result, {
    commit: COMMIT,
    ref: "refs/heads/main",
  });
  // Nobody asked for one.
  assert.ok(!("signer" in (await cloned({ git: said("signer=eve\n") })).result));
  const policy = { signers: { ssh: "a ssh-ed25519 AAAA", openpgp: "", names: ["a"] } as never };
  const signed = await cloned({ policy, git: said("signer=a\n") });
  assert.deepEqual(signed.result, { commit: COMMIT, ref: "refs/heads/main", signer: "a" });
  assert.equal(signed.lines.at(-1), "The commit is signed by a");
  assert.equal(signed.during[0]?.spec.env?.SIGNERS, "0");
  const unsaid = "clone-failed: The clone ended without saying what it had checked out";
  assert.equal((await cloned({ policy })).failure, unsaid);
  for (const stdout of ["", "commit=xyz\nref=a\n", `commit=${COMMIT}\n`]) {
    assert.equal((await cloned({ git: () => ({ stdout }) })).failure, unsaid);
  }
});

test("signatures that the operator asks for are checked in the operator's own image, without any mirror", async () => {
  const policy = { gitImage: "git:2", signers: { ssh: "a ssh-ed25519 AAAA", openpgp: "" } as never };
  const { during } = await cloned({
    policy,
    volumes: { "/workspace": "ws", "/.conveyor-git": "m" },
    git: () => ({ stdout: `signer=a\n${CHECKED_OUT}` }),
  });
  assert.deepEqual([during[0]?.where, during[0]?.spec.env?.MIRROR], [GIT, ""]);
  const plain = await cloned({ volumes: { "/workspace": "ws", "/.conveyor-git": "m" } });
  assert.equal(plain.during[0]?.spec.env?.MIRROR, "/.conveyor-git");
});

test("the repository's own file is said to be unread only where nothing else says how to build", async () => {
  const git = () => ({ stdout: `own-file=conveyor.yaml\n${CHECKED_OUT}` });
  const unread = await cloned({ git, spec: { commands: undefined, image: undefined } });
  assert.match(unread.lines.at(-1) ?? "", /^The repository has a conveyor\.yaml, which is not read: /);
  assert.ok(!(await cloned({ git })).lines.some((line) => line.includes("not read")));
  assert.ok(
    !(await cloned({ spec: { commands: undefined, image: undefined } })).lines.some((line) =>
      line.includes("not read")
    ),
  );
});

test("an image whose git writes where only the script does is refused once it writes too much", async () => {
  const noise = (bytes: number) => () => ({ stdout: `${"x".repeat(bytes - 1)}\n${CHECKED_OUT}` });
  const { failure } = await cloned({ git: noise(256 * 1024) });
  assert.equal(
    failure,
    'image-unusable: The git of the image "gcc:14" writes where only the clone script does, more than 262144 bytes',
  );
  const { result } = await cloned({ git: noise(256 * 1024 - CHECKED_OUT.length) });
  assert.ok(!(result instanceof Error), `${result}`);
  const progress = await cloned({ git: () => ({ stderr: "Receiving\n", stdout: CHECKED_OUT }) });
  assert.ok(progress.lines.includes("stderr Receiving"));
});

test("git trusts the authorities that are given, but a spec's own not beside an operator's credential", async () => {
  const ca = TEST_CERTIFICATE.cert;
  const authorities = parseAuthorities(ca);
  const trusting = await cloned({ policy: { authorities } });
  assert.ok(trusting.during[0]?.spec.input.includes("authorities\n -----BEGIN CERTIFICATE-----"));
  assert.ok(trusting.lines.includes('git trusts "localhost" beside the image\'s certificate authorities'));
  const ofSpec = await cloned({ spec: { ca } });
  assert.ok(ofSpec.during[0]?.spec.input.includes("-----BEGIN CERTIFICATE-----"));
  const refused = await cloned({ spec: { ca }, policy: TOKENS });
  assert.ok(!refused.during[0]?.spec.input.includes("-----BEGIN CERTIFICATE-----"));
  assert.match(refused.lines.join("\n"), /The authorities of spec\.ca, "localhost", are not used to clone/);
  const own = await cloned({ spec: { ca }, secrets: { [gitTokenOf("git.example.com")]: "mine" } });
  assert.ok(own.during[0]?.spec.input.includes("-----BEGIN CERTIFICATE-----"));
});

test("a local repository is sent after the private files, and one that cannot be read is a fault of ours", async () => {
  const stream = (async function* () {
    yield Buffer.from("the pack");
  })();
  const readLocal = () => Promise.resolve({ ref: "refs/heads/main", origin: "https://o.org/a.git", stream });
  const spec = { repository: "/src/app" };
  const policy = { readLocal, localCommit: { repository: "/src/app", commit: COMMIT, ref: "HEAD" } };
  const { during, lines, result } = await cloned({ spec, policy });
  assert.ok(!(result instanceof Error), `${result}`);
  const { input, env: given } = during[0]?.spec ?? assert.fail();
  assert.ok(input.endsWith("\n.\nthe pack"), input.slice(-40));
  assert.deepEqual([given?.LOCAL, given?.URL, given?.REF, given?.ORIGIN, given?.MIRROR], [
    ...["1", "", "refs/heads/main", "https://o.org/a.git", ""],
  ]);
  assert.deepEqual(lines, ["Cloning /src/app"]);
  // Only what comes over the network comes through a proxy.
  const env = [{ name: "HTTPS_PROXY", value: "http://p.example:3128" }];
  assert.deepEqual((await cloned({ spec: { ...spec, env }, policy })).lines, ["Cloning /src/app"]);
  for (const more of [{ lfs: true }, { submodules: true }]) {
    assert.match(
      (await cloned({ spec: { ...spec, env, ...more }, policy })).lines.join(),
      /Proxies of git: HTTPS/,
    );
  }
  const without = await cloned({ spec, policy: { readLocal: undefined } });
  assert.match(`${without.result}`, /TypeError: The policy allows local repositories/);
  const dirty = (changes: number) => ({
    ...policy,
    localCommit: { ...policy.localCommit, workTree: { objects: "/o", changes } },
  });
  for (const [changes, files] of [[1, "1 uncommitted file"], [2, "2 uncommitted files"]] as const) {
    assert.deepEqual((await cloned({ spec, policy: dirty(changes) })).lines, [
      `Cloning /src/app: the working tree, with ${files}, as the commit c0ffee000000`,
    ]);
  }
});

test("a local repository is read while the script starts, and closed if it does not start", async () => {
  const did: string[] = [];
  const begun = Promise.withResolvers<void>();
  const stream = (async function* () {
    try {
      did.push("read");
      begun.resolve();
      yield Buffer.from("the pack");
    } finally {
      did.push("closed");
    }
  })();
  const readLocal = () => Promise.resolve({ ref: "refs/heads/main", origin: undefined, stream });
  const { failure } = await cloned({
    spec: { repository: "/src/app" },
    policy: { readLocal, localCommit: { repository: "/src/app", commit: COMMIT, ref: "HEAD" } },
    docker: () => ({
      async exec() {
        await begun.promise;
        did.push("not started");
        throw new StepFailure("No room", { reason: "disk-full" });
      },
    }),
  });
  assert.equal(failure, "disk-full: No room");
  assert.deepEqual(did, ["read", "not started", "closed"]);
});
