import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError, Retryable } from "../../lib/base/errors.ts";
import {
  containerName,
  gitContainerName,
  isService,
  LABELS,
  serviceName,
  takingRoom,
} from "../../lib/build/labels.ts";
import { planBuild } from "../../lib/build/plan.ts";
import { logService } from "../../lib/build/services/log.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { stepContext } from "../support/step-context.ts";
import { listeningPort } from "../../lib/build/services/listening.ts";
import { servicesMemory } from "../../lib/build/services/start.ts";

const LIMITS = {
  allowImages: [],
  allowNetworks: ["own"],
  allowEnv: ["TOKEN"],
  allowPrivileged: false,
  allowLocalRepository: false,
  allowKeep: false,
  environment: { TOKEN: "t" },
  maxCpus: 2,
  maxMemory: 2 * 1024 ** 3,
  maxPids: 4096,
  maxTimeoutMs: undefined,
  graceMs: Infinity,
  maxLogBytes: Infinity,
  maxArtifactBytes: Infinity,
};
const plan = (spec: object, limits: object = {}) =>
  planBuild({ repository: "https://example.org/app.git", ...spec }, { ...LIMITS, ...limits });
const db = { name: "db", image: "postgres:17" };

function refusal(spec: object, limits: object = {}): string {
  try {
    plan(spec, limits);
    return "";
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

test("services are refused by what is wrong with them, before anything runs", () => {
  const refused: [services: unknown, why: RegExp][] = [
    [[{ image: "a" }], /spec\.services\.0\.name/],
    [[{ name: "Db", image: "a" }], /spec\.services\.0\.name: .*host name.*"Db"/],
    [[{ name: "-x", image: "a" }], /host name/],
    [[{ ...db, privileged: true }], /privileged/],
    [[{ ...db, ports: [0] }], /spec\.services\.0\.ports\.0/],
    [[{ ...db, ports: ["5432:5432"] }], /spec\.services\.0\.ports\.0/],
    [[{ ...db, env: [{ name: "A", valueFrom: "TOKEN" }] }], /spec\.services\.0\.env\.0/],
    [
      [{ ...db, env: [{ name: "A", secret: "B" }] }],
      /The secret "B" of the service "db" is not one of spec\.secrets/,
    ],
    [[db, db], /spec\.services: Two services are named "db"/],
    [[{ ...db, image: "A b" }], /spec\.services\.0\.image: /],
    [[{ ...db, limits: { memory: "3g" } }], /spec\.services\.0\.limits\.memory: 3\.0 GiB is more/],
    [[{ ...db, limits: { cpus: 3 } }], /spec\.services\.0\.limits\.cpus: 3 is more/],
    [[{ ...db, limits: { pids: 5000 } }], /spec\.services\.0\.limits\.pids: 5000 is more/],
    [Array.from({ length: 9 }, (_, i) => ({ ...db, name: `s${i}` })), /spec\.services/],
  ];
  for (const [services, why] of refused) assert.match(refusal({ services }), why);
  assert.match(
    refusal({ services: [db], network: "own" }),
    /expected spec\.network "bridge" or "none", got "own"/,
  );
  assert.match(
    refusal({ services: [db] }, { allowImages: ["ghcr.io/*"] }),
    /spec\.services\.0\.image: .*not allowed/,
  );
  assert.equal(refusal({ services: [{ ...db, env: [{ name: "A", secret: "B" }] }], secrets: ["B"] }), "");
});

test("services that ask for nothing share what the operator allows, and all together get no more", () => {
  const named = (limits: object, i: number) => ({ ...db, name: `s${i}`, limits });
  const shares = (limits: object[], most: object) =>
    plan({ services: limits.map(named) }, most).services.map(({ limits: { cpus, memory, pids } }) =>
      `${cpus} ${memory / 1024 ** 2} ${pids}`
    );
  const none = { maxCpus: undefined, maxMemory: undefined, maxPids: undefined };
  assert.deepEqual(shares([{}, { cpus: 9, memory: "9g", pids: 9 }], none), [
    "undefined 1024 1024",
    "9 9216 9",
  ]);
  const most = { maxCpus: 2, maxMemory: 512 * 1024 ** 2, maxPids: 100 };
  assert.deepEqual(shares([{}], most), ["2 512 100"]);
  assert.deepEqual(shares([{}, {}, { cpus: 1, memory: "256m", pids: 80 }], most), [
    "0.5 128 10",
    "0.5 128 10",
    "1 256 80",
  ]);
  const problems: [limits: object[], why: RegExp][] = [
    [[{ memory: "300m" }, { memory: "300m" }], /memory of the services add up to 600 MiB, .* 512 MiB/],
    [[{ pids: 60 }, { pids: 60 }], /pids of the services add up to 120, more than the 100 that are allowed/],
    [[{ cpus: 2 }, {}], /cpus of the services leave too little of the 2 .*: expected 0\.01 for each/],
    [[{ memory: "511m" }, {}], /memory of the services leave too little .*: expected 6\.0 MiB for each/],
  ];
  for (const [limits, why] of problems) {
    assert.match(refusal({ services: limits.map(named) }, most), why);
  }
  const alone = refusal({ services: [named({ memory: "1g" }, 1)] }, most);
  assert.match(alone, /^spec\.services\.0\.limits\.memory: 1\.0 GiB is more than the 512 MiB[^\n]*$/);
});

test("what a service printed is logged from its end on, as far as the daemon gives it", async () => {
  const { signal } = new AbortController();
  const docker = {
    kill: () => Promise.resolve(true),
    logs: () =>
      Promise.resolve((async function* () {
        for (
          const line of [`first ${"x".repeat(200_000)}`, "y".repeat(60_000), "z".repeat(60_000), "the last"]
        ) {
          yield { stream: "stdout", data: Buffer.from(`${line}\n`) };
        }
        throw new Retryable("Docker closed the connection", { reason: "docker-unreachable" });
      })()),
  } as unknown as Docker;
  const context = stepContext(docker, {}, { signal });
  await logService(context, { id: "s", name: serviceName(context.run, "db") });
  const lines = await context.lines();
  assert.deepEqual(lines.slice(0, 2), [
    "system Cannot read what the service db has printed: Docker closed the connection",
    "system The end of what the service db has printed:",
  ]);
  assert.deepEqual(lines.slice(2).map((line) => line.slice(0, 14)), [
    "stdout db | yy",
    "stdout db | zz",
    "stdout db | th",
  ]);
});

test("services take no slot, and their memory is counted with their build's", () => {
  assert.equal(
    servicesMemory(plan({ services: [db, { ...db, name: "b", limits: { memory: "512m" } }] })),
    1.5 * 1024 ** 3,
  );
  const at = (name: string, owner = "me") => ({
    id: name,
    name,
    labels: { [LABELS.owner]: owner, [LABELS.run]: "r" },
    state: "running" as const,
    createdSecond: 0,
    volumes: {},
  });
  const build = at(containerName("r"));
  assert.deepEqual(takingRoom([build, at(serviceName("r", "db")), at(gitContainerName("r"))]), [build]);
  assert.equal(isService(at(serviceName("r", "db")), "me", "r"), true);
  assert.equal(isService(at(serviceName("r", "db"), "other"), "me", "r"), false);
  assert.equal(isService(at(serviceName("s", "db")), "me", "r"), false);
  assert.equal(isService(build, "me", "r"), false);
});

test("listeningPort reads what listens from the kernel's tables, and nothing from nonsense", () => {
  const tables = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:0016 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 2
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000
garbage
: : 0A 0A`;
  const ports = tables.split("\n").map(listeningPort).filter((port) => port !== undefined);
  assert.deepEqual(ports, [5432, 8080]);
  assert.equal(listeningPort(""), undefined);
});
