import { Histogram, type Series, seriesText } from "../../../base/metrics.ts";
import { type Observer, SETTLED, type Settled } from "../../observer.ts";
import { processSeries } from "./process-series.ts";

/** Upper bounds of the histogram's buckets, seconds. */
const BOUNDS = [0.01, 0.1, 1, 10, 60, 600, 3600];

/** Values that are read when the metrics are requested. */
export interface Gauges {
  readonly inHand: number;
  /** How many events it can work on at once. */
  readonly slots: number;
  /** How long there has been no room for another event, milliseconds; 0 if there is room. */
  readonly fullMs: number;
  readonly reconnects: number;
  /** Figures of the driver's host. */
  readonly host: readonly Series[];
}

/** The metrics of one driver's process since its start. */
export class DriverMetrics implements Observer {
  readonly #driver: string;
  readonly #settled = new Map<Settled, number>(SETTLED.map((as) => [as, 0]));
  readonly #reconciled = new Histogram(BOUNDS);

  constructor(driver: string) {
    this.#driver = driver;
  }

  settled(as: Settled): void {
    this.#settled.set(as, (this.#settled.get(as) ?? 0) + 1);
  }

  reconciled(ms: number): void {
    this.#reconciled.observe({ driver: this.#driver }, ms / 1000);
  }

  /** Returns the metrics in Prometheus' text format 0.0.4. */
  text({ inHand, slots, fullMs, reconnects, host }: Gauges): string {
    const labels = { driver: this.#driver };
    const one = (type: "gauge" | "counter", name: string, help: string, value: number): Series => ({
      name,
      help,
      type,
      samples: [{ labels, value }],
    });
    return seriesText([
      {
        name: "conveyor_events_total",
        help: "Deliveries of events, by what became of them.",
        type: "counter",
        samples: Array.from(this.#settled, ([outcome, value]) => ({ labels: { ...labels, outcome }, value })),
      },
      one("gauge", "conveyor_events_in_hand", "Events that are being worked on.", inHand),
      one("gauge", "conveyor_slots", "Events that this process can work on at once.", slots),
      one("gauge", "conveyor_slots_used", "Slots of this process that are in use.", Math.min(inHand, slots)),
      one(
        "gauge",
        "conveyor_full_seconds",
        "How long there has been no room for a further event, 0 where there is.",
        fullMs / 1000,
      ),
      this.#reconciled.series("conveyor_reconcile_seconds", "How long the driver worked on a step."),
      one(
        "counter",
        "conveyor_broker_reconnects_total",
        "How often the connection to the broker was lost and came back.",
        reconnects,
      ),
      ...host,
      ...processSeries(),
    ]);
  }
}
