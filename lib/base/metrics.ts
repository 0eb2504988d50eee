export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** Suffix of the name: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
}

/** One metric with all its samples. */
export interface Series {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

/** Returns the metrics in Prometheus' text format 0.0.4. */
export function seriesText(series: readonly Series[]): string {
  const lines = series.flatMap(({ name, help, type, samples }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(({ labels = {}, value, suffix = "" }) => `${name}${suffix}${labelText(labels)} ${value}`),
  ]);
  return `${lines.join("\n")}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

/** A histogram of durations, per set of labels. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #known = new Map<
    string,
    { labels: Record<string, string>; buckets: number[]; count: number; sum: number }
  >();

  /** `bounds` are the upper bounds of the buckets, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Record<string, string>, value: number): void {
    const key = JSON.stringify(labels);
    const known = this.#known.get(key) ?? { labels, buckets: this.#bounds.map(() => 0), count: 0, sum: 0 };
    this.#known.set(key, known);
    known.count++;
    known.sum += value;
    for (const [i, bound] of this.#bounds.entries()) {
      if (value <= bound) known.buckets[i] = (known.buckets[i] ?? 0) + 1;
    }
  }

  series(name: string, help: string): Series {
    const samples = [...this.#known.values()].flatMap(({ labels, buckets, count, sum }): Sample[] => [
      ...buckets.map((value, i) => ({
        suffix: "_bucket",
        labels: { ...labels, le: String(this.#bounds[i]) },
        value,
      })),
      { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
      { suffix: "_sum", labels, value: sum },
      { suffix: "_count", labels, value: count },
    ]);
    return { name, help, type: "histogram", samples };
  }
}
