import { capture } from "../driver/work/exec.ts";
import { ownEnvironment } from "../driver/work/own-environment.ts";
import type { ContainerInfo } from "../docker/docker.ts";
import { inPieces } from "./artifacts/byte-queue.ts";
import { OWN_FOLDER } from "./keep-running.ts";
import { staysForALook } from "./keep.ts";
import { buildUser, LABELS } from "./labels.ts";
import type { BuildContext } from "./policy.ts";

/** A script in the container of a build that may be kept: it enters the environment of its commands. */
const ENTER = `${OWN_FOLDER}/enter`;

/**
 * Writes the script that `entering` names, for a container that may be kept. `env` must hold no secrets: the
 * script stays in the container. A container that cannot hold the script is entered without it.
 */
export async function provideEntering(
  context: BuildContext,
  container: ContainerInfo,
  { env, workdir }: { env: Readonly<Record<string, string>>; workdir: string },
): Promise<void> {
  if (!staysForALook(container.labels, { hasFailed: true })) return;
  const lines = [
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `cd ${quoted(workdir)}`,
    "command -v bash >/dev/null && exec bash",
    "exec sh",
  ];
  await capture(context, container.id, {
    command: ["/bin/sh", "-c", `umask 077; rm -f ${ENTER}; cat >${ENTER}`],
    stdin: inPieces([Buffer.from(`${lines.join("\n")}\n`)]),
    env: ownEnvironment(container),
    workdir: "/",
    ...buildUser(container),
  });
}

/**
 * Returns the command that enters a kept container as the build's user, with the environment of its commands
 * if they had begun. Secrets are taken from the caller's environment.
 */
export async function entering(
  { docker, signal }: Pick<BuildContext, "docker" | "signal">,
  { id, name, labels }: ContainerInfo,
  secrets: readonly string[],
): Promise<string> {
  const user = labels[LABELS.user];
  const options = [...user ? [`-u ${user}`] : [], ...secrets.map((secret) => `-e ${secret}`)];
  const isReady = await docker.exists(id, ENTER, { signal });
  return ["docker exec -it", ...options, name, isReady ? `sh ${ENTER}` : "sh"].join(" ");
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
