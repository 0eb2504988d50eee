import type { Docker } from "../../docker/docker.ts";
import { isService, LABELS, runLabels } from "../labels.ts";
import { removals } from "../removals.ts";

/** Removes the containers of a run's services, with their unnamed volumes. */
export async function removeServices(
  docker: Docker,
  { owner, run, signal }: { owner: string; run: string; signal: AbortSignal },
): Promise<void> {
  const found = await docker.list({ ...runLabels(owner, run), [LABELS.kind]: "service" }, { signal });
  const services = found.filter((container) => isService(container, owner, run));
  const { attempt, check } = removals();
  await Promise.all(services.map(({ id }) => attempt(() => docker.remove(id, { signal }))));
  check();
}
