import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerInfo, Docker, ListedContainer } from "../../lib/docker/docker.ts";
import {
  announcementName,
  buildUser,
  containerName,
  factsOf,
  findContainers,
  gitContainerName,
  idleName,
  isAnnouncement,
  isGitContainer,
  isOurs,
  isService,
  LABELS,
  runLabels,
  serviceName,
  takingRoom,
  withheldVariables,
} from "../../lib/driver/host/labels.ts";

const named = (name: string, labels: Record<string, string> = runLabels("me", "r")) => ({ name, labels });
const STRANGERS = [runLabels("other", "r"), runLabels("me", "s"), {}];

test("a container is ours by owner, run and name together, whatever of it an image could carry", () => {
  const kinds: [typeof isOurs, names: string[]][] = [
    [isOurs, [containerName("r"), idleName("r")]],
    [isGitContainer, [gitContainerName("r")]],
    [isService, [serviceName("r", "db")]],
  ];
  for (const [isOne, names] of kinds) {
    for (const name of names) {
      assert.equal(isOne(named(name), "me", "r"), true, name);
      for (const labels of STRANGERS) assert.equal(isOne(named(name, labels), "me", "r"), false, name);
    }
    const others = kinds.flatMap(([other, names]) => other === isOne ? [] : names);
    for (const name of [...others, containerName("s"), "db", ""]) {
      assert.equal(isOne(named(name), "me", "r"), false, name);
    }
  }
});

test("neither what clones nor a service takes room on its host", () => {
  const all = [containerName("r"), idleName("r"), gitContainerName("r"), serviceName("r", "db"), "foreign"];
  const taking = takingRoom(all.map((name) => named(name) as unknown as ListedContainer));
  assert.deepEqual(taking.map(({ name }) => name), [containerName("r"), idleName("r"), "foreign"]);
});

test("a volume announces the container that its name and its label tell", () => {
  const id = "0123456789abcdef".repeat(4);
  assert.equal(isAnnouncement(named(announcementName(id), { [LABELS.starts]: id })), true);
  assert.equal(isAnnouncement(named(announcementName(id), { [LABELS.starts]: `x${id}` })), false);
  assert.equal(isAnnouncement(named("conveyor", { [LABELS.starts]: id })), false);
});

test("of a run's two containers the one whose build has begun comes first, and each is named once", async () => {
  const info = (id: string, name: string, labels = runLabels("me", "r")) => ({ id, name, labels });
  const find = async (...there: ReturnType<typeof info>[]) => {
    const docker = { inspect: (name: string) => Promise.resolve(there.find((one) => one.name === name)) };
    const { signal } = new AbortController();
    const owned = { owner: "me", run: "r", signal };
    return (await findContainers(docker as unknown as Docker, owned)).map(({ id }) => id);
  };
  const [idle, begun] = [info("1", idleName("r")), info("2", containerName("r"))];
  assert.deepEqual(await find(idle, begun), ["2", "1"]);
  assert.deepEqual(await find(idle), ["1"]);
  // Renamed between the two looks.
  assert.deepEqual(await find(info("1", idleName("r")), info("1", containerName("r"))), ["1"]);
  assert.deepEqual(await find(info("3", containerName("r"), runLabels("other", "r"))), []);
  assert.deepEqual(await find(), []);
});

test("a container's labels tell its user, its variables and what it was made for", () => {
  const of = (labels: Record<string, string>) => ({ labels }) as unknown as ContainerInfo;
  assert.deepEqual(buildUser(of({ [LABELS.user]: "1000" })), { user: "1000" });
  for (const labels of [{}, { [LABELS.user]: "" }]) assert.deepEqual(buildUser(of(labels)), { user: "0" });
  assert.deepEqual(withheldVariables(of({ [LABELS.env]: '{"A":"1"}' })), { A: "1" });
  assert.deepEqual(withheldVariables(of({})), {});
  const labels = {
    [LABELS.type]: "t",
    [LABELS.resource]: "n",
    [LABELS.resourceId]: "i",
    [LABELS.event]: "e",
  };
  assert.deepEqual(factsOf(labels), { type: "t", name: "n", id: "i", event: "e" });
  assert.deepEqual(factsOf({}), { type: "", name: "", id: "", event: "" });
});
