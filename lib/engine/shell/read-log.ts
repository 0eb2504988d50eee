import type { LogBatch, Store } from "../../backend/store.ts";
import { RecentMap } from "../../base/recent-map.ts";
import type { Run, StepState } from "../../wire/run.ts";
import type { LogLine } from "../core/events.ts";
import { cursorText, LOG_START, type LogPlace } from "../core/log-cursor.ts";
import type { Clock } from "../../base/clock.ts";
import { gapCut, type LogCut, stepsCut, wholeCut } from "../core/log-cut.ts";
import { logLines } from "../core/log-lines.ts";
import { Timeline } from "../core/timeline.ts";
import { readRun } from "./read-run.ts";
import { LogTail } from "./log-tail.ts";
import { Notifier } from "./notifier.ts";

export interface ReadLogOptions {
  /** Where to start (default: at the first line). */
  readonly after?: LogPlace;
  /** Id of a step: yields only the lines of that step. */
  readonly step?: string | undefined;
  /** Set to read until the run has ended (default: only what is stored by now). */
  readonly follow?: boolean;
  readonly signal: AbortSignal;
  /** How long logs are kept, milliseconds (default: for ever), and the clock for their age. */
  readonly keepLogsMs?: number;
  readonly clock?: Clock;
}

/** Some lines in order, or the end of the run, which comes last. */
export type LogPiece =
  | {
    readonly kind: "lines";
    /** Empty if the batch has only lines of other steps. */
    readonly lines: readonly LogLine[];
    /** Returns the cursor after one of these lines. */
    readonly cursorAfter: (line: LogLine) => string;
    /** The cursor after everything read so far. */
    readonly cursor: string;
  }
  /** Lines that were here are not there any more. */
  | { readonly kind: "cut"; readonly cut: LogCut; readonly cursor: string }
  | { readonly kind: "end"; readonly run: Run; readonly cursor: string };

/**
 * Yields a run's log from `after` on: stored lines first, then live ones. Ends with the piece `end` if the
 * run has ended, after the stored lines without `follow`, or early if `signal` fires. Throws InputError for
 * an unknown run or an invalid cursor.
 */
export async function* readLog(
  store: Store,
  id: string,
  { after = LOG_START, step, follow = false, signal, keepLogsMs = Infinity, clock = Date.now }:
    ReadLogOptions,
): AsyncGenerator<LogPiece> {
  const notifier = new Notifier();
  let isChanged = false;
  await using _watch = await store.runs.watch(id, () => {
    isChanged = true;
    notifier.notify();
  });
  await using tail = new LogTail(store.logs, id, notifier.notify, {
    cursor: after.batch,
    lines: after.lines,
  });
  let run = await readRun(store, id);
  const timeline = new Timeline(run);
  let place = after;
  /** Attempts whose lines were read. */
  const writers = new Set<string>();

  /** Returns the cut before the batch, if there is one, then its lines. */
  function* piecesOf(batch: LogBatch): Generator<LogPiece> {
    const { step: writer, attempt, missing } = batch;
    const isFirst = !writers.has(`${writer}/${attempt}`);
    const age = { keepLogsMs, now: clock() };
    const cut = missing !== undefined
      ? gapCut(
        run,
        { step: writer, lines: missing, isFirst, startedAt: timeline.writerOf(batch)?.startedAt },
        age,
      )
      : store.logs.expiresLines && writers.size === 0 && place === LOG_START
      ? stepsCut(run, writer, age)
      : undefined;
    writers.add(`${writer}/${attempt}`);
    const cursor = cursorText(place);
    if (cut && (step === undefined || cut.step === undefined || cut.step === step)) {
      yield { kind: "cut", cut, cursor };
    }
    yield linesOf(batch);
  }

  function linesOf(batch: LogBatch): LogPiece {
    const before = place;
    place = { batch: batch.cursor, lines: lastOf(batch) };
    return sharedPiece(id, batch, { before, writer: timeline.writerOf(batch), step });
  }

  signal.addEventListener("abort", notifier.notify, { once: true });
  try {
    while (!signal.aborted) {
      // Read after the record: the lines of a run that has ended are stored by now.
      for await (const batch of tail.stored()) {
        yield* piecesOf(batch);
        if (signal.aborted) return;
      }
      if (run.outcome !== undefined) {
        const { lines } = place;
        const isRemoved = lines === 0 && (await store.logs.isRemoved?.(id) ?? false);
        const cut = wholeCut(run, { lines, isRemoved, keepLogsMs, now: clock() });
        if (cut) yield { kind: "cut", cut, cursor: cursorText(place) };
        yield { kind: "end", run, cursor: cursorText(place) };
        return;
      }
      if (!follow) return;
      while (!isChanged && !signal.aborted) {
        tail.listen();
        await notifier.next();
        const batch = tail.arrived();
        if (batch) yield* piecesOf(batch);
      }
      isChanged = false;
      run = await readRun(store, id);
      timeline.update(run);
    }
  } finally {
    signal.removeEventListener("abort", notifier.notify);
  }
}

/** What a piece is made from, beside its batch. */
interface PieceParts {
  readonly before: LogPlace;
  readonly writer: StepState | undefined;
  readonly step: string | undefined;
}

const lastOf = ({ firstSeq, lines }: LogBatch): number => firstSeq + lines.length - 1;

/** Pieces of batches that are still in use, for readers that get the same of them. */
const shared = new WeakMap<LogBatch, RecentMap<LogPiece>>();
/** Pieces of one batch that are kept: readers that begin in the middle of it have their own. */
const PIECES = 4;

/**
 * Returns the piece of a batch: the same object to all readers at the same place, if their store gives the
 * same batch.
 */
function sharedPiece(run: string, batch: LogBatch, parts: PieceParts): LogPiece {
  const { before, writer, step } = parts;
  const key = JSON.stringify([before, writer?.id, step]);
  const known = shared.get(batch) ?? new RecentMap<LogPiece>(PIECES);
  shared.set(batch, known);
  const found = known.get(key);
  if (found) return found;
  const piece = pieceFrom(run, batch, parts);
  known.set(key, piece);
  return piece;
}

function pieceFrom(run: string, batch: LogBatch, { before, writer, step }: PieceParts): LogPiece {
  const last = lastOf(batch);
  const lines = logLines(run, batch, writer).filter((line) =>
    line.seq > before.lines && (step === undefined || line.step === step)
  );
  const whole = cursorText({ batch: batch.cursor, lines: last });
  const cursorAfter = ({ seq }: LogLine) =>
    seq === last ? whole : cursorText({ batch: before.batch, lines: seq });
  return { kind: "lines", lines, cursorAfter, cursor: whole };
}
