import type { RunTable } from "../../backend/store.ts";
import { reasonOf } from "../../wire/reasons.ts";
import type { Run } from "../../wire/run.ts";
import type { RunChange } from "../core/changes.ts";
import { statusOf } from "../core/run-view.ts";
import { openStep } from "../core/steps.ts";
import { secondsOf } from "./log-changes.ts";
import { Histogram, type Series, seriesText } from "../../base/metrics.ts";

const STEP_BOUNDS = [0.1, 1, 10, 60, 300, 900, 3600];
/** Maximum number of open runs that one scrape reads. */
const MOST_OPEN = 10_000;
const PAGE = 200;

/** Further metrics, read at each scrape. */
export type Gauges = () => Promise<readonly Series[]> | readonly Series[];

/** The metrics of a control plane: counters since its start, and its current state. */
export class PlaneMetrics {
  #started = 0;
  readonly #ended = new Map<string, { labels: Record<string, string>; value: number }>();
  readonly #lost = new Map<string, number>();
  readonly #steps = new Histogram(STEP_BOUNDS);

  /** Counts a change of a run. */
  readonly changed = (change: RunChange, run: Run): void => {
    if (change.kind === "run-started") this.#started++;
    else if (change.kind === "lease-lost") {
      const { driver } = change.step;
      this.#lost.set(driver, (this.#lost.get(driver) ?? 0) + 1);
    } else if (change.kind === "step-ended") {
      const { step } = change;
      const reason = step.status === "failed" ? reasonOf(step.result?.data) : "";
      this.#steps.observe({ driver: step.driver, outcome: step.status, reason }, secondsOf(step));
    } else if (change.kind === "run-ended") {
      const labels = { outcome: run.outcome ?? "", reason: run.verdict?.reason ?? "" };
      const key = `${labels.outcome} ${labels.reason}`;
      const known = this.#ended.get(key);
      this.#ended.set(key, { labels, value: (known?.value ?? 0) + 1 });
    }
  };

  /** Returns the metrics in Prometheus' text format 0.0.4. `now` is used for the waiting time of steps. */
  async text(
    runs: Pick<RunTable, "list">,
    { now, gauges }: { now: number; gauges: Gauges },
  ): Promise<string> {
    return seriesText([
      {
        name: "conveyor_runs_started_total",
        help: "Runs that were taken.",
        type: "counter",
        samples: [{ value: this.#started }],
      },
      {
        name: "conveyor_runs_ended_total",
        help: "Runs that have ended, by outcome and reason.",
        type: "counter",
        samples: [...this.#ended.values()],
      },
      {
        name: "conveyor_leases_lost_total",
        help: "Attempts whose driver was silent for too long, so that another one began.",
        type: "counter",
        samples: Array.from(this.#lost, ([driver, value]) => ({ labels: { driver }, value })),
      },
      this.#steps.series("conveyor_step_duration_seconds", "From a step's first beginning to its end."),
      ...await openSeries(runs, now),
      ...await gauges(),
    ]);
  }
}

/** Returns the number of open runs by status, and the steps that wait for a driver. */
async function openSeries(runs: Pick<RunTable, "list">, now: number): Promise<Series[]> {
  const byStatus = new Map<string, number>([["queued", 0], ["running", 0], ["stopping", 0]]);
  const waiting = new Map<string, { count: number; oldest: number }>();
  let before: Run | undefined;
  for (let seen = 0; seen < MOST_OPEN; seen += PAGE) {
    const page: Run[] = await runs.list({ outcome: "open", limit: PAGE, ...before && { before } });
    for (const run of page) {
      byStatus.set(statusOf(run), (byStatus.get(statusOf(run)) ?? 0) + 1);
      const step = openStep(run);
      if (step?.status !== "dispatched") continue;
      const { count, oldest } = waiting.get(step.driver) ?? { count: 0, oldest: now };
      waiting.set(step.driver, { count: count + 1, oldest: Math.min(oldest, step.queuedAt ?? now) });
    }
    before = page.at(-1);
    if (page.length < PAGE) break;
  }
  return [
    {
      name: "conveyor_runs_open",
      help: "Runs that have not ended.",
      type: "gauge",
      samples: Array.from(byStatus, ([status, value]) => ({ labels: { status }, value })),
    },
    {
      name: "conveyor_steps_waiting",
      help: "Steps that no driver has taken yet.",
      type: "gauge",
      samples: Array.from(waiting, ([driver, { count }]) => ({ labels: { driver }, value: count })),
    },
    {
      name: "conveyor_steps_oldest_wait_seconds",
      help: "For how long the oldest of them has waited.",
      type: "gauge",
      samples: Array.from(waiting, ([driver, { oldest }]) => ({
        labels: { driver },
        value: Math.max(0, now - oldest) / 1000,
      })),
    },
  ];
}
