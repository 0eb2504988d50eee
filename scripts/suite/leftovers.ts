/** Finds what a run of the suite has left on the machine: files, processes, and what Docker has of it. */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { LABELS } from "../../lib/build/labels.ts";

/** What is in the run's own temporary folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => `file ${name}`);
}

/** Processes whose environment names the run's temporary folder, by their ids. Only Linux tells. */
export function processesWith(folder: string): { pid: number; command: string }[] {
  if (process.platform !== "linux") return [];
  const others = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return others.flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`TMPDIR=${folder}\0`)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
      return command === "" ? [] : [{ pid: Number(pid), command }];
    } catch {
      return []; // It has ended.
    }
  });
}

/** Listens to the daemon, for the containers of one run of the suite. */
export interface DockerWatch extends Disposable {
  /** The images, containers, volumes and networks of this run that are there now. */
  left(): string[];
}

/**
 * `repository` is a name for images that only this run uses. Who has a container of such an image is an owner of this run,
 * whose volumes and networks are found by that: on the same daemon, others may be at work.
 */
export function watchDocker(repository: string): DockerWatch {
  const owners = new Set<string>();
  const filters = [
    "--filter",
    "type=container",
    "--filter",
    "event=create",
    "--filter",
    `image=${repository}`,
  ];
  const format = `{{index .Actor.Attributes "${LABELS.owner}"}}`;
  const events = spawn("docker", ["events", ...filters, "--format", format], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  createInterface(events.stdout).on("line", (owner) => owners.add(owner));
  const ofOwners = (what: string, list: string[], name: string) => {
    const flags = [
      "--filter",
      `label=${LABELS.owner}`,
      "--format",
      `{{.Label "${LABELS.owner}"}}\t{{.${name}}}`,
    ];
    return rows([...list, ...flags]).flatMap(([owner = "", name]) =>
      owners.has(owner) ? [`${what} ${name}`] : []
    );
  };
  return {
    left() {
      const inImages = rows(["ps", "--all", "--format", "{{.Image}}\t{{.Names}}"])
        .flatMap(([image = "", name]) => image.startsWith(`${repository}:`) ? [`container ${name}`] : []);
      return [
        ...new Set([...inImages, ...ofOwners("container", ["ps", "--all"], "Names")]),
        ...ofOwners("volume", ["volume", "ls"], "Name"),
        ...ofOwners("network", ["network", "ls"], "Name"),
        ...rows(["images", "--format", "{{.Repository}}:{{.Tag}}", repository]).map(([name]) =>
          `image ${name}`
        ),
      ];
    },
    [Symbol.dispose]: () => void events.kill("SIGKILL"),
  };
}

function rows(args: string[]): string[][] {
  const { stdout } = spawnSync("docker", args, { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
}
