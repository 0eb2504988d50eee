import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { type Allowed, planBuild } from "../../lib/build/plan.ts";

const STRICT: Allowed = {
  allowImages: [],
  allowNetworks: [],
  allowEnv: [],
  allowPrivileged: false,
  allowLocalRepository: false,
  environment: { TOKEN: "t", SHOWN: "s" },
  maxCpus: undefined,
  maxMemory: undefined,
  maxPids: 4096,
  maxTimeoutMs: undefined,
  allowKeep: false,
  graceMs: 10_000,
  maxLogBytes: 2048,
  maxArtifactBytes: 4096,
};
const REPOSITORY = "https://example.org/app.git";

function breaches(spec: object, policy: Partial<Allowed> = {}): string {
  try {
    planBuild({ repository: REPOSITORY, ...spec }, { ...STRICT, ...policy });
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "";
}

test("planBuild takes the tutorial's spec as it is and fills in Flutter's defaults", () => {
  const { spec, workdir, env } = planBuild(
    { repository: REPOSITORY, env: [{ name: "A", value: "1" }] },
    STRICT,
  );
  assert.equal(spec.image, "ghcr.io/cirruslabs/flutter:3.38.5");
  assert.deepEqual(spec.commands, ["flutter pub get", "flutter build apk --release"]);
  assert.deepEqual(env, { A: "1" });
  assert.equal(workdir, "/workspace");
});

test("planBuild refuses what is no spec at all", () => {
  for (const spec of [undefined, null, 7, "x", true, [], {}]) {
    assert.throws(() => planBuild(spec, STRICT), InputError, JSON.stringify(spec));
  }
});

test("planBuild names every breach in one go, each with its place and value", () => {
  const text = breaches({ repository: "ext::id", ref: "-x", workdir: "../..", artifacts: ["/etc/*"] });
  for (const place of ["spec.repository", "spec.ref", "spec.workdir", "spec.artifacts"]) {
    assert.match(text, new RegExp(`^${place}: `, "m"));
  }
  assert.match(text, /"ext::id"/);
  assert.match(breaches({ timeout: "soon" }), /spec\.timeout: .*"soon"/);
  assert.match(breaches({ comands: ["make"] }), /"comands" \(did you mean "commands"\?\)/);
  assert.match(breaches({ script: "a", commands: ["b"] }), /^spec\.script: .* expected one of them$/);
  assert.match(breaches({ dirty: true }), /^spec\.dirty: Only a folder of this machine/);
  assert.match(
    breaches({ artifacts: ["a", { glob: "!b", when: "failure" }] }),
    /^spec\.artifacts: Invalid glob "!b": .* expected it as a text/,
  );
  assert.match(
    breaches({ artifacts: [{ glob: "a", when: "sometimes" }] }),
    /^spec\.artifacts\.0\.when: .*"success"\|"failure"\|"always", got "sometimes"$/,
  );
  assert.match(breaches({ limits: { memory: 0 } }), /spec\.limits\.memory: .*more than 0, got 0/);
});

test("planBuild lets a spec ask for as much grace, log and artifacts as the operator gives, and for less", () => {
  const asked = { grace: "10s", limits: { log: "2k", artifacts: 4096 } };
  assert.equal(breaches(asked), "");
  assert.equal(breaches({ grace: 0, limits: { log: 0, artifacts: 0 } }), "");
  assert.match(
    breaches({ grace: "11s" }),
    /^spec\.grace: 11\.0 s is more than the 10\.0 s that are allowed here$/,
  );
  assert.match(breaches({ limits: { log: 2049 } }), /^spec\.limits\.log: .* more than the 2\.0 KiB/);
  assert.match(
    breaches({ limits: { artifacts: "5k" } }),
    /^spec\.limits\.artifacts: 5\.0 KiB is more than the 4\.0 KiB/,
  );
});

test("planBuild denies a container that is left for a look, until the operator allows it", () => {
  for (const keep of ["failure", "always"]) {
    assert.match(breaches({ keep }), /^spec\.keep: .*--allow-keep$/);
    assert.equal(breaches({ keep }, { allowKeep: true }), "");
  }
  assert.equal(breaches({ keep: "never" }), "");
  assert.match(breaches({ keep: "sometimes" }, { allowKeep: true }), /spec\.keep: /);
});

test("planBuild denies what only an operator can allow, until he does", () => {
  const privileged = { privileged: true };
  assert.match(breaches(privileged), /privileged/);
  assert.equal(breaches(privileged, { allowPrivileged: true }), "");
  for (const network of ["host", "container:abc", "ns:/proc/1/ns/net", "conveyor", "default"]) {
    assert.match(
      breaches({ network }),
      new RegExp(`^spec\\.network: The network "${network}" is not allowed here`),
    );
  }
  assert.equal(breaches({ network: "host" }, { allowNetworks: ["host"] }), "");
  const read = { env: [{ name: "A", valueFrom: "TOKEN" }] };
  assert.match(breaches(read), /--allow-env/);
  assert.match(breaches(read, { allowEnv: ["SHOWN"] }), /--allow-env/);
  assert.equal(breaches(read, { allowEnv: ["TOKEN"] }), "");
  assert.match(breaches({ repository: "/srv/app" }), /not allowed/);
  assert.equal(breaches({ repository: "/srv/app" }, { allowLocalRepository: true }), "");
  assert.match(breaches({ image: "evil" }, { allowImages: ["debian:*"] }), /debian:\*/);
  assert.equal(breaches({ image: "debian:12" }, { allowImages: ["debian:*"] }), "");
  assert.equal(breaches({ image: "debian:12" }, { allowImages: ["docker.io/library/*"] }), "");
  assert.match(
    breaches({ image: "evil.io/library/debian:12" }, { allowImages: ["docker.io/library/*"] }),
    /not allowed/,
  );
  assert.match(breaches({ limits: { memory: "2g" } }, { maxMemory: 1024 ** 3 }), /1\.0 GiB/);
  assert.equal(
    breaches({ limits: { pids: 32_000 } }),
    "spec.limits.pids: 32000 is more than the 4096 that are allowed here",
  );
  assert.equal(breaches({ limits: { pids: 32_000 } }, { maxPids: 32_000 }), "");
  assert.match(breaches({ limits: { cpus: 4 } }, { maxCpus: 2 }), /more than the 2/);
  assert.match(breaches({ timeout: "2h" }, { maxTimeoutMs: 60_000 }), /more than/);
});

test("planBuild refuses what is no image's name", () => {
  for (const image of ["UPPER", "gcc:", "http://x/y", "a@b@c", "a b", "-x"]) {
    assert.match(breaches({ image }), /^spec\.image: Invalid image ".*": expected /, image);
  }
});

test("planBuild is not led astray by a __proto__ key", () => {
  const spec = JSON.parse(`{"repository":"${REPOSITORY}","__proto__":{"privileged":true}}`);
  let privileged = false;
  try {
    privileged = planBuild(spec, { ...STRICT, allowPrivileged: true }).spec.privileged;
  } catch (error) {
    assert.ok(error instanceof InputError);
  }
  assert.equal(privileged, false);
  assert.equal(Object.hasOwn(Object.prototype, "privileged"), false);
});
