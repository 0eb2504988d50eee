import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { messageOf } from "../../../base/errors.ts";
import { processLog } from "../../../base/log.ts";
import { cutText, onOneLine } from "../../../base/text.ts";

/** Whether the collector takes spans. */
export interface Health {
  isFailing: boolean;
  /** When the export that is under way was begun, by the monotonic clock. */
  since?: number | undefined;
  /** Spans that have not been handed to the collector yet. */
  waiting: number;
  /** Spans are dropped, which has been logged. */
  isDropping: boolean;
}

/** The health of a collector to which nothing has been sent. */
export const newHealth = (): Health => ({ isFailing: false, waiting: 0, isDropping: false });

/**
 * Counts a span that ends. One that is over `most` is dropped by its processor; logs that once, until all
 * that wait have been sent. A collector that fails has been logged already.
 */
export function countSpan(health: Health, { most, endpoint }: { most: number; endpoint: string }): void {
  if (health.waiting < most) return void health.waiting++;
  if (!health.isDropping && !health.isFailing) {
    processLog("traces").warn(
      "Too many spans wait for {endpoint}, which is slow: more than {most} are dropped. Runs go on without",
      { endpoint, most },
    );
  }
  health.isDropping = true;
}

/** How long a healthy collector may take for the last spans, and any for those under way, milliseconds. */
const FLUSH_MS = 1000;
const ANSWER_MS = 500;

/** Returns how long to wait for the collector at the end of the process, milliseconds. */
export function patience({ isFailing, since }: Health): number {
  if (isFailing) return 0;
  return since === undefined ? FLUSH_MS : Math.max(0, ANSWER_MS - (performance.now() - since));
}

/**
 * Returns the exporter with its failures noted and logged: once when the collector stops taking spans, and
 * once when it takes them again.
 */
export function watched(
  exporter: SpanExporter,
  { health, endpoint }: { health: Health; endpoint: string },
): SpanExporter {
  const log = processLog("traces");
  const note = (error: Error | undefined): void => {
    const was = health.isFailing;
    health.since = undefined;
    health.isFailing = error !== undefined;
    if (error && !was) {
      // The collector's own words may be part of the message.
      const why = cutText(onOneLine(messageOf(error)), 300);
      log.warn("Cannot send traces to {endpoint}: {why}. Runs go on without", { endpoint, why });
    } else if (!error && was) log.info("Sends traces to {endpoint} again", { endpoint });
  };
  return {
    export(spans, done) {
      health.since ??= performance.now();
      health.waiting = Math.max(0, health.waiting - spans.length);
      if (health.waiting === 0) health.isDropping = false;
      exporter.export(spans, (result) => {
        note(result.code === SUCCESS ? undefined : result.error ?? new Error("No answer"));
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

/** `ExportResultCode.SUCCESS`. */
const SUCCESS = 0;
