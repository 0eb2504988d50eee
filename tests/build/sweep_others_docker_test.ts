import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { containerName, LABELS, runLabels, serviceName } from "../../lib/build/labels.ts";
import { sweepOthers } from "../../lib/build/sweep-others.ts";
import { dockerFindings } from "../../lib/cli/doctor/host-findings.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { flutterCi, temporaryFolder } from "../cli/start-program.ts";
import { idleSpec, removeByHand } from "../docker/real-docker.ts";
import { needing } from "../support/needs.ts";
import { objectsOf, removeObjectsOf, testDocker } from "../support/step-context.ts";
import { patience } from "../support/within.ts";

const { test } = needing("Docker");

const HOUR = 3_600_000;

/** The daemon, as if only these owners were on it; networks look older than they are. */
function withOnly(docker: Docker, owners: readonly string[], { networkAgeMs = 0 } = {}): Docker {
  const isTheirs = ({ labels }: { labels: Readonly<Record<string, string>> }) =>
    owners.includes(labels[LABELS.owner] ?? "");
  return {
    ...docker,
    list: async (...words) => (await docker.list(...words)).filter(isTheirs),
    volumes: async (...words) => (await docker.volumes(...words)).filter(isTheirs),
    networks: async (...words) =>
      (await docker.networks(...words)).filter(isTheirs).map((network) => ({
        ...network,
        createdAt: network.createdAt - networkAgeMs,
      })),
  };
}

/** Makes what runs of an owner leave; all of it is gone afterwards. */
async function leftovers(docker: Docker) {
  const owner = `test-${randomUUID()}`;
  const now = await docker.now();
  const label = (run: string, expiresIn: number | undefined, more: Record<string, string> = {}) => ({
    ...runLabels(owner, run),
    ...expiresIn !== undefined && { [LABELS.expires]: String(now + expiresIn) },
    ...more,
  });
  return {
    owner,
    async container(expiresIn?: number, run: string = randomUUID()): Promise<string> {
      await docker.create({ ...idleSpec(), name: containerName(run), labels: label(run, expiresIn) });
      return run;
    },
    async service(run: string, expiresIn: number): Promise<void> {
      const labels = label(run, expiresIn, { [LABELS.kind]: "service" });
      await docker.create({ ...idleSpec(), name: serviceName(run, "db"), labels });
    },
    async network(run: string = randomUUID()): Promise<string> {
      const name = containerName(run);
      await docker.createNetwork({ name, labels: runLabels(owner, run), isolated: false });
      return run;
    },
    /** The name of a volume whose container was removed without it. */
    async volume(expiresIn?: number): Promise<string> {
      const run = randomUUID();
      const name = containerName(run);
      const labels = label(run, expiresIn, { [LABELS.kind]: "build" });
      await docker.create({ ...idleSpec({ labels }), name });
      const volumes = Object.values((await docker.inspect(name))?.volumes ?? {});
      await removeByHand(name);
      return volumes[0] ?? "";
    },
    [Symbol.asyncDispose]: () => removeObjectsOf(owner),
  };
}

test("sweepOthers removes what expired runs of other installations have left, and nothing of live ones", async () => {
  await using docker = testDocker();
  await using theirs = await leftovers(docker);
  await using own = await leftovers(docker);
  const dead = await theirs.network(await theirs.container(-1));
  const lost = await theirs.network();
  const kept = [
    await theirs.container(HOUR),
    await theirs.container(),
    // Its service says that it may still be alive.
    await theirs.container(-1),
  ];
  await theirs.service(kept[2] ?? "", HOUR);
  const ownDead = await own.container(-1);
  const given = { own: own.owner, olderThanMs: 0, signal: patience() };
  const seen = withOnly(docker, [theirs.owner, own.owner], { networkAgeMs: 2 * HOUR });
  const expected = [
    { kind: "container", name: containerName(dead), owner: theirs.owner },
    { kind: "network", name: containerName(lost), owner: theirs.owner },
  ];
  const theirObjects = async () => (await objectsOf(theirs.owner)).toSorted();
  const before = await theirObjects();

  assert.deepEqual(await sweepOthers(seen, { ...given, dryRun: true }), expected);
  assert.deepEqual(await sweepOthers(seen, { ...given, olderThanMs: HOUR / 2, dryRun: true }), [expected[1]]);
  assert.deepEqual(await theirObjects(), before, "a dry run removes nothing");

  // A run makes its network before its container.
  const fresh = withOnly(docker, [theirs.owner, own.owner]);
  assert.deepEqual(await sweepOthers(fresh, { ...given, dryRun: true }), [expected[0]]);

  assert.deepEqual(await sweepOthers(seen, given), expected);
  const left = [...kept.map(containerName), serviceName(kept[2] ?? "", "db")];
  assert.deepEqual(await theirObjects(), left.toSorted());
  assert.deepEqual(await objectsOf(own.owner), [containerName(ownDead)]);
  assert.deepEqual(await sweepOthers(seen, given), []);
});

test("sweepOthers removes the volume of an expired run that has lost its container, and no other", async () => {
  await using docker = testDocker();
  await using theirs = await leftovers(docker);
  await using own = await leftovers(docker);
  const name = await theirs.volume(-1);
  const kept = [await theirs.volume(HOUR), await theirs.volume()].toSorted();
  const ownVolume = await own.volume(-1);
  const seen = withOnly(docker, [theirs.owner, own.owner]);
  const given = { own: own.owner, olderThanMs: 0, signal: patience() };
  const expected = [{ kind: "volume", name, owner: theirs.owner }];
  assert.deepEqual(await sweepOthers(seen, { ...given, olderThanMs: HOUR, dryRun: true }), []);
  assert.deepEqual(await sweepOthers(seen, { ...given, dryRun: true }), expected);
  assert.deepEqual(await sweepOthers(seen, given), expected);
  assert.deepEqual((await objectsOf(theirs.owner)).toSorted(), kept);
  assert.deepEqual(await objectsOf(own.owner), [ownVolume]);
});

test("doctor counts what other installations have left, gc names it only with --all-owners, and what is younger only on request", async () => {
  await using docker = testDocker();
  await using theirs = await leftovers(docker);
  await using folder = await temporaryFolder();
  const name = containerName(await theirs.container(-1));
  const findings = await dockerFindings({} as Parameters<typeof dockerFindings>[0], process.env);
  const left = findings.find(({ what }) => what === "leftovers");
  assert.match(
    left?.message ?? "",
    /^Expired runs have left [1-9]\d* containers?, \d+ networks? and \d+ volumes?$/,
  );
  const gc = (...words: string[]) =>
    flutterCi(["gc", "--dry-run", "--data", `${folder.path}/none`, ...words]);
  assert.deepEqual(await gc(), { code: 0, stdout: "", stderr: "Nothing is left behind\n" });
  assert.doesNotMatch((await gc("--all-owners")).stdout, new RegExp(name));
  const all = await gc("--all-owners", "--older-than", "0s");
  const line = `Would remove container ${name} of the installation ${theirs.owner}`;
  assert.ok(all.stdout.split("\n").includes(line), all.stdout);
  const json = await gc("--all-owners", "--older-than", "0s", "--json");
  const expected = { type: "container", name, owner: theirs.owner, dryRun: true };
  assert.ok(json.stdout.split("\n").includes(JSON.stringify(expected)), json.stdout);
});
