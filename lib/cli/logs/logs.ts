import { systemClock } from "../../base/clock.ts";
import { UnavailableError } from "../../base/errors.ts";
import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";
import { neutral } from "../../driver/program/command-line/neutral.ts";
import type { LogLine } from "../../engine/core/events.ts";
import type { LogCut } from "../../engine/core/log-cut.ts";
import { ApiAwayError, type Caller } from "../shared/api/call.ts";
import { linesOf } from "../../base/lines.ts";
import { Patience } from "../shared/api/patience.ts";
import { eventLine } from "../shared/render/json.ts";
import { openOutput } from "../shared/render/output.ts";
import { resolveRun } from "../shared/runs/resolve-run.ts";
import { type InspectOptions, useRuns } from "../shared/runs/use-runs.ts";

export interface LogsOptions extends InspectOptions {
  readonly follow?: boolean | undefined;
  readonly step?: string | undefined;
}

/**
 * How long a control plane may be unreachable while a log is followed: enough for a restart, milliseconds.
 */
const PATIENCE_MS = 120_000;

/** Prints the log of a run. Throws InputError if there is no such run, and UnavailableError. */
export async function logs(text: string, options: LogsOptions): Promise<void> {
  await using opened = await useRuns(options);
  const { call } = opened;
  const run = await resolveRun(call, text);
  const patience = new Patience({
    clock: systemClock,
    patienceMs: PATIENCE_MS,
    hint: "The run may go on without us",
    onAway: (error) => process.stderr.write(`${error.message}; trying again\n`),
  });
  const stopping = new AbortController();
  const out = openOutput(process.stdout, { onFailed: () => stopping.abort() });
  for await (const line of logOf(call, { run, options, patience, signal: stopping.signal })) {
    if (line.type === "cut" && !options.json) {
      process.stderr.write(`[${neutral(line.message)}]\n`);
      continue;
    }
    const slow = out.write(options.json ? eventLine(line) : `${neutral(line.message)}\n`);
    if (slow) await slow;
    if (stopping.signal.aborted) break;
  }
  await out.flush();
}

type Told = LogLine | LogCut | { type: "cursor"; cursor: string } | { type: "end" };

/** Yields each line once, and where lines are missing, and reconnects when needed. */
async function* logOf(
  call: Caller,
  { run, options: { follow = false, step }, patience, signal }: {
    run: string;
    options: LogsOptions;
    patience: Patience;
    signal: AbortSignal;
  },
): AsyncGenerator<LogLine | LogCut> {
  let cursor = "";
  let last = 0;
  while (!signal.aborted) {
    const query = new URLSearchParams({
      ...follow && { follow: "true" },
      ...step !== undefined && { step },
      ...cursor !== "" && { cursor },
    });
    try {
      const body = await call({ method: "GET", path: `/runs/${run}/logs?${query}`, signal });
      for await (const text of linesOf(body, { hasEnd: false })) {
        patience.isBack();
        const told = text === "" ? undefined : parsed(text);
        if (told?.type === "cursor") cursor = told.cursor;
        else if (told?.type === "end") return;
        else if (told?.type === "cut") yield told;
        else if (told && told.seq > last) {
          last = told.seq;
          yield told;
        }
      }
      if (!follow) return;
      throw new ApiAwayError("The control plane has ended the connection before the run");
    } catch (error) {
      if (signal.aborted) return;
      await patience.bear(error);
    }
  }
}

function parsed(line: string): Told {
  try {
    return parseJson(line, { maxDepth: MAX_MESSAGE_DEPTH }) as Told;
  } catch (cause) {
    throw new UnavailableError(`Cannot read the log: ${line.slice(0, 100)}`, { cause });
  }
}
