import { z } from "zod";
import type { Engine } from "../../shell/engine.ts";
import type { RunEvent } from "../../core/events.ts";
import { lineStream } from "../line-stream.ts";
import type { Router } from "../router.ts";
import { knownRun, type RunParts } from "./parts.ts";

/** Streams a run's events, which the command line displays live. */
export function eventRoutes(
  router: Router,
  { store, heartbeatMs, engine }: Pick<RunParts, "store" | "heartbeatMs"> & {
    engine: Pick<Engine, "follow">;
  },
): void {
  router.add({
    method: "get",
    path: "/runs/{id}/events",
    tag: "Runs",
    summary: "Follow a run from its beginning to its end: JSON lines; ignore empty ones",
    query: z.object({ logs: z.string().optional().describe("`false` leaves the lines of the log out") }),
    answers: { 200: { what: "One event a line", type: "application/x-ndjson" } },
  }, async ({ req }, query) => {
    const { id } = await knownRun(store, req.param("id") ?? "");
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, req.raw.signal]);
    const events = engine.follow(id, { logs: query.logs !== "false", signal });
    const body = lineStream(linesOf(events), { heartbeatMs, onCancel: () => leaving.abort() });
    return new Response(body, {
      headers: { "Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store" },
    });
  });
}

async function* linesOf(events: AsyncIterable<RunEvent>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}
