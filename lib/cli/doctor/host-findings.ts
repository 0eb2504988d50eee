import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { openHistory } from "../../backend/embedded/embedded.ts";
import { requireWritable } from "../../backend/embedded/require-writable.ts";
import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { counted, formatSize } from "../../base/units.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { sweepOthers, type Swept } from "../../build/sweep-others.ts";
import type { Docker } from "../../docker/docker.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { ANSWER_MS, type Check, clockFindings, deadFinding, failed, type Finding } from "./finding.ts";

/** With less, a build's artifacts and log soon fill it. */
const LEAST_FREE = 2 * 1024 ** 3;
const LEAST_INODES = 10_000;

export const dataFindings: Check = async (options, environment) => {
  const what = "data folder";
  try {
    const folder = dataFolder(options.data, environment);
    requireWritable(folder);
    if (!lstatIfThere(folder)) {
      return [{ level: "ok", what, message: `"${folder}" is made by the first run` }];
    }
    await using history = await openHistory(folder);
    const newest = (await history.runs.list({ limit: 1 })).length;
    const found = await roomFindings(what, folder);
    const dead = await history.deadLetters();
    if (dead > 0) found.push(deadFinding(what, dead, `the table dead_letters of "${folder}/conveyor.db"`));
    if (newest === 0) found.push({ level: "ok", what, message: `"${folder}" has no runs yet` });
    return found;
  } catch (error) {
    return [failed(what, error, "Name another folder with --data")];
  }
};

/** Returns how much room is left where a folder is; nothing if it cannot be looked at. */
async function roomFindings(what: string, folder: string): Promise<Finding[]> {
  const found = await statfs(folder).catch(() => undefined);
  if (!found) return [];
  const { bavail, bsize, files, ffree } = found;
  const free = Number(bavail) * Number(bsize);
  // A file system without a table of inodes has 0.
  const hasInodes = Number(files) > 0;
  const inodes = hasInodes ? `, ${ffree} inodes` : "";
  const message = `"${folder}", ${formatSize(free)}${inodes} free`;
  if (free < LEAST_FREE) {
    return [{ level: "warn", what, message, remedy: "Make room, or use another folder" }];
  }
  if (hasInodes && Number(ffree) < LEAST_INODES) {
    return [{ level: "warn", what, message, remedy: "Remove small files" }];
  }
  return [{ level: "ok", what, message }];
}

export const dockerFindings: Check = async ({ docker: endpoint }, environment) => {
  const what = "Docker";
  const signal = timeoutSignal(ANSWER_MS);
  await using reaching = reachDocker({ endpoint, environment, signal });
  try {
    const { docker, info } = await reaching.answer;
    const { version, cpus, memory, architecture, rootFolder, storage, cgroups, filtersBridges, now } = info;
    const kernel = [storage, cgroups === undefined ? undefined : `cgroups v${cgroups}`];
    const findings: Finding[] = [{
      level: "ok",
      what,
      message: [
        version,
        architecture,
        `${cpus} CPUs`,
        `${formatSize(memory)} of memory`,
        ...kernel.filter((one) => one !== undefined),
        `images in "${rootFolder}"`,
      ].join(", "),
    }];
    if (storage === "vfs") {
      findings.push({
        level: "warn",
        what,
        message: "It stores a whole copy of its image for each container (vfs), which takes time and space",
        remedy: "Let Docker store its data on a file system that overlay2 can use",
      });
    }
    // A daemon elsewhere may have a folder of the same name here.
    if (info.name === hostname()) findings.push(...await roomFindings("Docker's folder", rootFolder));
    if (!filtersBridges) {
      findings.push({
        level: "warn",
        what,
        message:
          "Its kernel does not filter traffic within a bridge: containers of two runs may reach each other",
        remedy: 'Load the module br_netfilter ("modprobe br_netfilter") and start Docker again',
      });
    }
    findings.push(...runcFindings(await docker.versionOf("runc", { signal })));
    findings.push(...clockFindings("Docker's machine", now - systemClock()));
    findings.push(...await leftFindings(docker, signal));
    return findings;
  } catch (error) {
    return [failed(what, error, "Start Docker, or say where it is with --docker or DOCKER_HOST")];
  }
};

/** Ways out of a container that are known, and the first releases without them, one for each branch. */
const ESCAPES = [
  { names: "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", fixed: [[1, 2, 8], [1, 3, 3], [1, 4, 0]] },
  { names: "CVE-2024-21626", fixed: [[1, 1, 12]] },
];

/** Returns the known ways out of a container of this runc. */
export function runcFindings(version: string | undefined): Finding[] {
  const [major, minor, patch] = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version ?? "")?.slice(1).map(Number) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return [];
  const known = ESCAPES.filter(({ fixed }) => {
    const branch = fixed.find(([one, two]) => one === major && two === minor);
    const last = fixed.at(-1) ?? [];
    if (branch) return patch < (branch[2] ?? 0);
    return major < (last[0] ?? 0) || (major === last[0] && minor < (last[1] ?? 0));
  });
  if (known.length === 0) return [];
  return [{
    level: "warn",
    what: "runc",
    message: `A build may get out of its container: runc ${version} has ${
      known.map(({ names }) => names).join(", ")
    }`,
    remedy:
      "Update runc to 1.2.8, 1.3.3 or 1.4.0, or see in your distribution's notes whether it has mended this one",
  }];
}

/** Returns how much expired runs have left, of whichever installation. */
async function leftFindings(docker: Docker, signal: AbortSignal): Promise<Finding[]> {
  let left: readonly Swept[];
  try {
    left = await sweepOthers(docker, { own: undefined, olderThanMs: 0, signal, dryRun: true });
  } catch (error) {
    const message = `Whether expired runs have left something cannot be seen: ${messageOf(error)}`;
    return [{
      level: "warn",
      what: "leftovers",
      message,
      remedy: "Run doctor again when Docker is less busy",
    }];
  }
  if (left.length === 0) return [];
  const [containers, networks, volumes] = ["container", "network", "volume"].map((kind) =>
    counted(left.filter((one) => one.kind === kind).length, kind)
  );
  return [{
    level: "warn",
    what: "leftovers",
    message: `Expired runs have left ${containers}, ${networks} and ${volumes}`,
    remedy: '"flutter-ci gc" removes those of this data folder, "flutter-ci gc --all-owners" those of others',
  }];
}
