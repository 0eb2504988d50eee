import type { Context } from "hono";
import { z } from "zod";
import type { LogLine } from "../../core/events.ts";
import { LOG_START, parseCursor } from "../../core/log-cursor.ts";
import { type LogPiece, readLog, type ReadLogOptions } from "../../shell/read-log.ts";
import { lineStream } from "../line-stream.ts";
import type { Router } from "../router.ts";
import { knownRun, type RunParts } from "./parts.ts";

const LogsQuery = z.object({
  step: z.string().optional().describe("A step's id: only its lines"),
  cursor: z.string().optional().describe(
    "From a line of the type `cursor`, or the id of a server-sent event",
  ),
  limit: z.coerce.number().pipe(z.int().min(1)).optional().describe("Lines at most"),
  follow: z.stringbool().optional().describe("Go on until the run has ended (always for server-sent events)"),
  format: z.enum(["json", "text", "events"]).optional().describe("Instead of the header Accept"),
});
type LogsQuery = z.infer<typeof LogsQuery>;

const FORMATS = {
  json: { type: "application/x-ndjson; charset=utf-8", heartbeat: "\n", lines: jsonLines },
  text: { type: "text/plain; charset=utf-8", heartbeat: "", lines: textLines },
  events: { type: "text/event-stream; charset=utf-8", heartbeat: ": heartbeat\n\n", lines: eventFrames },
} as const;

/**
 * Serves a run's log from a cursor on.
 * - JSON lines: `{"type":"log",…}` as in the command's `--json`; `{"type":"cursor","cursor":…}` at places to
 *   continue from later; `{"type":"end",…}` last, once the run has ended and its log is complete.
 * - plain text: one message per line.
 * - server-sent events: `log` with the cursor as its id, so that a browser resumes after a disconnect; `end`
 *   last.
 */
export function logRoutes(router: Router, parts: RunParts): void {
  const { store, heartbeatMs, keepLogsMs = Infinity, clock } = parts;

  router.add({
    method: "get",
    path: "/runs/{id}/logs",
    tag: "Logs",
    summary: "Read the log of a run, or follow it",
    query: LogsQuery,
    headers: { "Last-Event-ID": "The cursor, as a browser sends it when it connects again" },
    answers: {
      200: { what: "Lines in their order", type: "application/x-ndjson, text/plain, text/event-stream" },
    },
  }, async (context, query) => {
    const { id } = await knownRun(store, context.req.param("id") ?? "");
    const format = formatOf(context, query);
    const cursor = context.req.header("last-event-id") || query.cursor;
    const after = cursor ? parseCursor(cursor) : LOG_START;
    // Rejects an invalid cursor before the response begins.
    for await (const _ of store.logs.read(id, after.batch === undefined ? {} : { after: after.batch })) break;
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, context.req.raw.signal]);
    const { step, limit = Infinity, follow = false } = query;
    const options: ReadLogOptions = {
      after,
      step,
      follow: follow || format === "events",
      signal,
      keepLogsMs,
      clock,
    };
    const { type, heartbeat, lines } = FORMATS[format];
    const pieces = limited(readLog(store, id, options), limit);
    const body = lineStream(lines(pieces), {
      heartbeatMs: heartbeat === "" ? Infinity : heartbeatMs,
      heartbeat,
      onCancel: () => leaving.abort(),
    });
    return new Response(body, {
      headers: { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
    });
  });
}

function formatOf({ req }: Context, { format }: LogsQuery): keyof typeof FORMATS {
  if (format !== undefined) return format;
  const accepted = req.header("accept") ?? "";
  if (accepted.includes("text/event-stream")) return "events";
  return accepted.includes("text/plain") ? "text" : "json";
}

/** Yields at most `limit` lines. The last piece's cursor is the place to continue from. */
async function* limited(pieces: AsyncIterable<LogPiece>, limit: number): AsyncGenerator<LogPiece> {
  let left = limit;
  for await (const piece of pieces) {
    if (piece.kind === "lines" && piece.lines.length >= left) {
      const lines = piece.lines.slice(0, left);
      const last = lines.at(-1);
      yield { ...piece, lines, cursor: last ? piece.cursorAfter(last) : piece.cursor };
      return;
    }
    if (piece.kind === "lines") left -= piece.lines.length;
    yield piece;
  }
}

async function* jsonLines(pieces: AsyncIterable<LogPiece>): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const { cursor } = piece;
    if (piece.kind === "end") yield `${JSON.stringify({ ...endOf(piece), cursor })}\n`;
    else if (piece.kind === "cut") yield `${JSON.stringify(piece.cut)}\n`;
    else yield `${piece.lines.map((line) => `${JSON.stringify(line)}\n`).join("")}${cursorLine(cursor)}`;
  }
}

const cursorLine = (cursor: string): string => `${JSON.stringify({ type: "cursor", cursor })}\n`;

async function* textLines(pieces: AsyncIterable<LogPiece>): AsyncGenerator<string> {
  for await (const piece of pieces) {
    if (piece.kind === "lines") yield piece.lines.map(({ message }) => `${message}\n`).join("");
    else if (piece.kind === "cut") yield `[${piece.cut.message}]\n`;
  }
}

async function* eventFrames(pieces: AsyncIterable<LogPiece>): AsyncGenerator<string> {
  for await (const piece of pieces) {
    if (piece.kind === "end") {
      yield `id: ${piece.cursor}\nevent: end\ndata: ${JSON.stringify(endOf(piece))}\n\n`;
    } else if (piece.kind === "cut") yield `event: cut\ndata: ${JSON.stringify(piece.cut)}\n\n`;
    else yield framesOf(piece);
  }
}

/** Frames of pieces that are still in use: written once for all readers of a piece. */
const written = new WeakMap<LogPiece, string>();

function framesOf(piece: Extract<LogPiece, { kind: "lines" }>): string {
  const known = written.get(piece);
  if (known !== undefined) return known;
  const frames = piece.lines.map((line) => frame(line, piece.cursorAfter(line))).join("");
  written.set(piece, frames);
  return frames;
}

const frame = (line: LogLine, cursor: string): string =>
  `id: ${cursor}\nevent: log\ndata: ${JSON.stringify(line)}\n\n`;

/** `lines` is the number of lines of the whole run. */
function endOf({ run, cursor }: Extract<LogPiece, { kind: "end" }>) {
  const { id, outcome, verdict } = run;
  const { lines } = parseCursor(cursor);
  const reason = verdict?.reason;
  return { type: "end", run: id, outcome, ...reason && { reason }, message: verdict?.message ?? "", lines };
}
