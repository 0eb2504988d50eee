import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { openHistory } from "../../backend/embedded/embedded.ts";
import { systemClock } from "../../base/clock.ts";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import type { LoginOptions } from "../../driver/program/broker/broker-flags.ts";
import { openBroker } from "../../driver/program/broker/open-broker.ts";
import type { Environment } from "../../driver/program/command-line/environment.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { call } from "../shared/api/call.ts";
import { reachApi } from "../shared/api/reach-api.ts";
import { announcedServer } from "../shared/api/server-file.ts";
import type { RunsOptions } from "../shared/runs/open-runs.ts";

/** Something that was looked at. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly what: string;
  readonly message: string;
  readonly remedy?: string;
}

export type CheckOptions = RunsOptions & LoginOptions & {
  readonly docker?: string | undefined;
  readonly nats?: readonly string[] | undefined;
};

type Check = (options: CheckOptions, environment: Environment) => Promise<Finding[]>;

/** With less, a build's artifacts and log soon fill it. */
const LEAST_FREE = 2 * 1024 ** 3;
const LEAST_INODES = 10_000;
/** A clock that is further off makes tokens and times wrong, milliseconds. */
const MOST_APART_MS = 30_000;
const ANSWER_MS = 10_000;

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

const deadFinding = (what: string, count: number, where: string): Finding => ({
  level: "warn",
  what,
  message: `${count} ${count === 1 ? "message" : "messages"} could not be understood, and lie in ${where}`,
  remedy: "See there why; a driver or a program that sends to the broker does not speak as it should",
});

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
    const apart = Math.abs(now - systemClock());
    if (apart > MOST_APART_MS) {
      findings.push({
        level: "warn",
        what: "clock",
        message: `Docker's machine and this one are ${formatDuration(apart)} apart`,
        remedy: "Let both follow a time server",
      });
    }
    return findings;
  } catch (error) {
    return [failed(what, error, "Start Docker, or say where it is with --docker or DOCKER_HOST")];
  }
};

export const planeFindings: Check = async (options, environment) => {
  const what = "control plane";
  const url = options.api ?? await announcedServer(dataFolder(options.data, environment));
  if (url === undefined) {
    return [{ level: "ok", what, message: "none serves this data folder; run needs none" }];
  }
  try {
    const api = await reachApi({ ...options, api: url }, environment);
    for await (
      const _ of await call(api, { method: "GET", path: "/runs?limit=1", signal: timeoutSignal(ANSWER_MS) })
    ) break;
    return [{ level: "ok", what, message: `${url} answers, and knows the token` }];
  } catch (error) {
    if (options.api !== undefined) return [failed(what, error, "Check --api and --token-file")];
    return [{
      level: "warn",
      what,
      message: `The last one of this data folder, at ${url}, does not answer: ${messageOf(error)}`,
      remedy: 'Its runs go on when it is started again: "flutter-ci up"',
    }];
  }
};

export const brokerFindings: Check = async (options) => {
  const { nats } = options;
  if (!nats) return [];
  const what = "broker";
  try {
    await using broker = await openBroker({ ...options, nats }, "conveyor-doctor");
    const { owner, isConveyors } = await broker.owner();
    const whose = isConveyors ? "a Conveyor server" : `the control plane of the installation ${owner}`;
    const dead = await broker.deadLetters();
    return [
      { level: "ok", what, message: `${nats.join(", ")} answers; its streams are of ${whose}` },
      ...dead > 0 ? [deadFinding(what, dead, 'the stream "dead"')] : [],
    ];
  } catch (error) {
    return [failed(what, error, "Check --nats and the login; the streams are made by a control plane")];
  }
};

function failed(what: string, error: unknown, remedy: string): Finding {
  const hint = error instanceof UnavailableError ? error.hint : undefined;
  return { level: "fail", what, message: messageOf(error), remedy: hint ?? remedy };
}
