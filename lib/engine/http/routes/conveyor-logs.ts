import { z } from "zod";
import { aborted } from "../../../base/signals.ts";
import { isRunId } from "../../../wire/ids.ts";
import type { Run } from "../../../wire/run.ts";
import type { LogLine } from "../../core/events.ts";
import { type LogPiece, readLog } from "../../shell/read-log.ts";
import { lineStream } from "../line-stream.ts";
import { STREAMED } from "../listen.ts";
import type { Router } from "../router.ts";
import { knownRun, type RunParts } from "./parts.ts";

const LogsQuery = z.object({
  runid: z.string().describe("The run's id; required, since without it the answer would be all logs"),
  driver: z.string().optional(),
  pipeline: z.string().optional(),
});

/** A log line in the format of Conveyor's API. */
const ConveyorLog = z.object({
  runid: z.string(),
  driver: z.string(),
  pipeline: z.string(),
  timestamp: z.string(),
  message: z.string(),
});
type ConveyorLog = z.infer<typeof ConveyorLog>;

const STREAM = {
  200: { what: "One line an event; ignore the comments between them", type: "text/event-stream" },
};

/**
 * Serves logs as Conveyor's API does. Lines are in order, without a gap between stored and live ones. As in
 * Conveyor, a stream stays open after the run has ended: otherwise its clients would reconnect and read
 * everything again.
 */
export function conveyorLogRoutes(router: Router, { store, heartbeatMs }: RunParts): void {
  router.add({
    method: "get",
    path: "/logs",
    tag: "Conveyor",
    summary: "Read the log of a run",
    query: LogsQuery,
    answers: { 200: { what: "Its lines in their order", schema: z.array(ConveyorLog) } },
  }, async ({ req, json }, { runid, driver, pipeline }) => {
    const found = isRunId(runid) ? await store.runs.get(runid) : undefined;
    if (!found || (pipeline !== undefined && pipeline !== found.value.pipeline.name)) return json([]);
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, req.raw.signal]);
    const lines = linesOf(found.value, readLog(store, runid, { signal }));
    const body = lineStream(arrayOf(lines, driver), {
      heartbeatMs: Infinity,
      onCancel: () => leaving.abort(),
    });
    return new Response(body, {
      headers: { "Content-Type": "application/json", "X-Content-Type-Options": "nosniff", ...STREAMED },
    });
  });

  router.add({
    method: "get",
    path: "/logs/pipeline/{run}",
    tag: "Conveyor",
    summary: "Follow the log of a run",
    answers: STREAM,
  }, async ({ req }) => stream(await knownRun(store, req.param("run") ?? ""), undefined, req.raw.signal));

  router.add(
    {
      method: "get",
      path: "/logs/streams/{driver}/{run}",
      tag: "Conveyor",
      summary: "Follow what one driver writes into the log of a run",
      answers: STREAM,
    },
    async ({ req }) =>
      stream(await knownRun(store, req.param("run") ?? ""), req.param("driver") ?? "", req.raw.signal),
  );

  function stream(run: Run, driver: string | undefined, gone: AbortSignal): Response {
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, gone]);
    const pieces = readLog(store, run.id, { follow: true, signal });
    const body = lineStream(framesOf(linesOf(run, pieces), driver, signal), {
      heartbeatMs,
      heartbeat: ": heartbeat\n\n",
      onCancel: () => leaving.abort(),
    });
    return new Response(body, {
      headers: {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
      },
    });
  }
}

/** Yields a JSON array piece by piece: a log may be larger than the memory. */
async function* arrayOf(
  lines: AsyncIterable<ConveyorLog>,
  driver: string | undefined,
): AsyncGenerator<string> {
  let separator = "[";
  for await (const line of lines) {
    if (driver !== undefined && line.driver !== driver) continue;
    yield `${separator}${JSON.stringify(line)}`;
    separator = ",\n";
  }
  yield separator === "[" ? "[]" : "]";
}

async function* framesOf(
  lines: AsyncIterable<ConveyorLog>,
  driver: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const line of lines) {
    if (driver === undefined || line.driver === driver) yield `data: ${JSON.stringify(line)}\n\n`;
  }
  if (!signal.aborted) await aborted(signal);
}

async function* linesOf(run: Run, pieces: AsyncIterable<LogPiece>): AsyncGenerator<ConveyorLog> {
  const drivers = new Map(run.steps.map(({ id, driver }) => [id, driver]));
  for await (const piece of pieces) {
    if (piece.kind === "lines") {
      yield* piece.lines.map((line) => conveyorLog(run, line, drivers.get(line.step)));
    }
  }
}

const conveyorLog = ({ id, pipeline }: Run, { time, message }: LogLine, driver = ""): ConveyorLog => ({
  runid: id,
  driver,
  pipeline: pipeline.name,
  timestamp: time,
  message,
});
