import type { RunView } from "../../engine/core/run-view.ts";
import { json } from "../shared/api/call.ts";
import { clientOf } from "../shared/api/client.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { resolveRun } from "../shared/runs/resolve-run.ts";
import { type InspectOptions, useRuns } from "../shared/runs/use-runs.ts";

/** Cancels a run and prints its status. Does nothing to a run that has ended. */
export async function cancel(text: string, options: InspectOptions): Promise<void> {
  await using opened = await useRuns(options);
  const { call } = opened;
  const id = await resolveRun(call, text);
  const read = async () => await json(await call({ method: "GET", path: `/runs/${id}` })) as RunView;
  const before = await read();
  if (before.endedAt === undefined) {
    await clientOf(call, "the control plane").cancel(id, 'Cancelled by "flutter-ci cancel"');
  }
  const { status } = before.endedAt === undefined ? await read() : before;
  if (options.json) process.stdout.write(`${JSON.stringify({ run: id, status })}\n`);
  else if (before.endedAt !== undefined) process.stdout.write(`Run ${id} has ended already: ${status}\n`);
  else if (status === "stopping") {
    process.stdout.write(`Run ${id} is being stopped; see it with: ${commandFor("show", id, options)}\n`);
  } else process.stdout.write(`Run ${id}: ${status}\n`);
}
