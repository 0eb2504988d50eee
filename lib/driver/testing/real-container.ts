import { homeFolder } from "../../base/home-folder.ts";
import type { Docker } from "../../docker/docker.ts";
import { connectDocker } from "../../docker/dockerode.ts";
import { findDocker } from "../../docker/find-docker.ts";
import { WORKSPACE } from "../author/run-container.ts";
import { containerName, LABELS, runLabels } from "../host/labels.ts";
import { environment } from "../program/command-line/environment.ts";

/** A real container to test a driver in. */
export interface RealContainer {
  /** An image that this machine's Docker has, with `/bin/sh`. */
  readonly image: string;
  /** The user of the build's commands (default: root). */
  readonly user?: string;
  /**
   * A shell command line that root runs in the workspace before the driver starts: makes the files that a
   * build would have left.
   */
  readonly prepare?: string;
}

const MEMORY = 512 * 1024 ** 2;

/**
 * Connects to this machine's Docker and starts a container for the run, which is removed on dispose. Throws
 * if Docker is unavailable.
 */
export async function realContainer(
  { image, user = "0", prepare }: RealContainer,
  { owner, run }: { owner: string; run: string },
): Promise<Docker> {
  const docker = connectDocker(await findDocker({ environment, home: homeFolder(environment) }));
  const labels = { ...runLabels(owner, run), [LABELS.user]: user };
  const name = containerName(run);
  const close = async () => {
    await docker.remove(name).catch(() => false);
    await docker[Symbol.asyncDispose]();
  };
  try {
    const id = await docker.create({
      name,
      image,
      labels,
      entrypoint: ["/bin/sh"],
      command: ["-c", "trap '' TERM; while :; do sleep 3600 & wait; done"],
      env: {},
      user: "0",
      workdir: WORKSPACE,
      volume: { target: WORKSPACE, labels },
      network: "none",
      capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL"],
      privileged: false,
      pids: 1024,
      memory: MEMORY,
    });
    await docker.start(id);
    await shell(docker, id, prepare ?? ":");
    await shell(docker, id, `chown -R ${user} ${WORKSPACE}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { ...docker, [Symbol.asyncDispose]: close };
}

async function shell(docker: Docker, id: string, line: string): Promise<void> {
  const process = await docker.exec(id, { command: ["/bin/sh", "-ec", line], user: "0", workdir: WORKSPACE });
  const said: Uint8Array[] = [];
  for await (const { data } of process.output) said.push(data);
  const code = await process.exitCode();
  if (code === 0) return;
  throw new Error(
    `"${line}" exited with ${code}: ${said.map((data) => new TextDecoder().decode(data)).join("")}`,
  );
}
