import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { openHistory } from "../../backend/embedded/embedded.ts";
import { systemClock } from "../../base/clock.ts";
import { lstatIfThere } from "../../base/files.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { formatSize } from "../../base/units.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { ANSWER_MS, type Check, clockFindings, deadFinding, failed, type Finding } from "./finding.ts";

/** With less, a build's artifacts and log soon fill it. */
const LEAST_FREE = 2 * 1024 ** 3;
const LEAST_INODES = 10_000;

export const dataFindings: Check = async (options, environment) => {
  const what = "data folder";
  const folder = dataFolder(options.data, environment);
  if (!lstatIfThere(folder)) return [{ level: "ok", what, message: `"${folder}" is made by the first run` }];
  try {
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
  await using reaching = reachDocker({ endpoint, environment, signal: timeoutSignal(ANSWER_MS) });
  try {
    const { info } = await reaching.answer;
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
    findings.push(...clockFindings("Docker's machine", now - systemClock()));
    return findings;
  } catch (error) {
    return [failed(what, error, "Start Docker, or say where it is with --docker or DOCKER_HOST")];
  }
};
