import { type Observer, SETTLED, type Settled } from "../../observer.ts";

/** Upper bounds of the histogram's buckets, seconds. */
const BOUNDS = [0.01, 0.1, 1, 10, 60, 600, 3600];

/** Values that are read when the metrics are requested. */
export interface Gauges {
  readonly inHand: number;
  /** How long there has been no room for another event, milliseconds; 0 if there is room. */
  readonly fullMs: number;
  readonly reconnects: number;
}

/** The metrics of one driver's process since its start. */
export class DriverMetrics implements Observer {
  readonly #driver: string;
  readonly #settled = new Map<Settled, number>(SETTLED.map((as) => [as, 0]));
  readonly #buckets = BOUNDS.map((bound) => ({ bound, count: 0 }));
  #reconciled = { count: 0, seconds: 0 };

  /** `driver` is a token, so it needs no escaping. */
  constructor(driver: string) {
    this.#driver = driver;
  }

  settled(as: Settled): void {
    this.#settled.set(as, (this.#settled.get(as) ?? 0) + 1);
  }

  reconciled(ms: number): void {
    const seconds = ms / 1000;
    this.#reconciled.count++;
    this.#reconciled.seconds += seconds;
    for (const bucket of this.#buckets) if (seconds <= bucket.bound) bucket.count++;
  }

  /** Returns the metrics in Prometheus' text format 0.0.4. */
  text({ inHand, fullMs, reconnects }: Gauges): string {
    const driver = `driver="${this.#driver}"`;
    const { count, seconds } = this.#reconciled;
    return [
      "# HELP conveyor_events_total Deliveries of events, by what became of them.",
      "# TYPE conveyor_events_total counter",
      ...[...this.#settled].map(([as, n]) => `conveyor_events_total{${driver},outcome="${as}"} ${n}`),
      "# HELP conveyor_events_in_hand Events that are being worked on.",
      "# TYPE conveyor_events_in_hand gauge",
      `conveyor_events_in_hand{${driver}} ${inHand}`,
      "# HELP conveyor_full_seconds How long there has been no room for a further event, 0 where there is.",
      "# TYPE conveyor_full_seconds gauge",
      `conveyor_full_seconds{${driver}} ${fullMs / 1000}`,
      "# HELP conveyor_reconcile_seconds How long the driver worked on a step.",
      "# TYPE conveyor_reconcile_seconds histogram",
      ...this.#buckets.map(({ bound, count }) =>
        `conveyor_reconcile_seconds_bucket{${driver},le="${bound}"} ${count}`
      ),
      `conveyor_reconcile_seconds_bucket{${driver},le="+Inf"} ${count}`,
      `conveyor_reconcile_seconds_sum{${driver}} ${seconds}`,
      `conveyor_reconcile_seconds_count{${driver}} ${count}`,
      "# HELP conveyor_broker_reconnects_total How often the connection to the broker was lost and came back.",
      "# TYPE conveyor_broker_reconnects_total counter",
      `conveyor_broker_reconnects_total{${driver}} ${reconnects}`,
      "",
    ].join("\n");
  }
}
