import { Buffer } from "node:buffer";
import { EndOfText } from "../../driver/work/bounded-text.ts";
import { Retryable } from "../../base/errors.ts";
import { DockerError, type ListedContainer } from "../../docker/docker.ts";
import { isService, LABELS, runLabels, serviceName } from "../labels.ts";
import type { BuildContext } from "../policy.ts";

/** How much of a service's output goes into the run's log. */
const MOST_LINES = 1000;
const MOST_BYTES = 256 * 1024;

/** Ends the run's services and writes the end of what they printed into the log, under their names. */
export async function logServices(context: BuildContext): Promise<void> {
  const { docker, run, settings: { owner }, signal } = context;
  const found = await docker.list({ ...runLabels(owner, run), [LABELS.kind]: "service" }, { signal });
  const services = found.filter((container) => isService(container, owner, run))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const service of services) await logService(context, service);
}

/**
 * Ends one service and writes the end of what it printed into the log. Output that cannot be read, or only in
 * part, costs no step.
 */
export async function logService(
  { docker, run, log, signal }: BuildContext,
  { id, name }: Pick<ListedContainer, "id" | "name">,
): Promise<void> {
  const title = name.slice(serviceName(run, "").length);
  const said = new EndOfText(MOST_BYTES);
  try {
    // Its output ends with it.
    await docker.kill(id, { signal });
    for await (const { data } of await docker.logs(id, MOST_LINES, { signal })) said.add(data);
  } catch (error) {
    signal.throwIfAborted();
    // Whether the daemon is there again, what the step does next will show.
    if (!(error instanceof DockerError || error instanceof Retryable)) throw error;
    await log.line(`Cannot read what the service ${title} has printed: ${error.message}`);
  }
  const lines = said.text().split("\n").filter((line) => line !== "").slice(-MOST_LINES);
  if (lines.length === 0) return await log.line(`The service ${title} has printed nothing`);
  await log.line(`The end of what the service ${title} has printed:`);
  await log.write("stdout", Buffer.from(lines.map((line) => `${title} | ${line}\n`).join("")));
  await log.endLines();
}
