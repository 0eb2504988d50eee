import { statfs } from "node:fs/promises";
import type { Series } from "../../engine/shell/metric-text.ts";
import { version } from "../../driver/program/command-line/version.ts";

export interface GaugeParts {
  readonly folder: string;
  /** Parts of the engine that are failing. */
  readonly troubles: () => readonly string[];
  /** Steps that this process's drivers work on, and their slots; undefined without drivers. */
  readonly slots: () => { readonly used: number; readonly total: number } | undefined;
}

/** Returns the gauges of this process and its host. */
export async function planeGauges({ folder, troubles, slots }: GaugeParts): Promise<Series[]> {
  const { bavail, bsize } = await statfs(folder);
  const { user, system } = process.cpuUsage();
  const host = slots();
  const gauge = (name: string, help: string, value: number): Series => ({
    name,
    help,
    type: "gauge",
    samples: [{ value }],
  });
  const runtime = "bun" in process.versions ? "bun" : "deno";
  return [
    {
      name: "conveyor_build_info",
      help: "What this process is; always 1.",
      type: "gauge",
      samples: [{ labels: { version: version(), runtime }, value: 1 }],
    },
    {
      name: "conveyor_part_failing",
      help: "Parts of the engine that do not work just now.",
      type: "gauge",
      samples: troubles().map((part) => ({ labels: { part }, value: 1 })),
    },
    ...host
      ? [
        gauge(
          "conveyor_slots",
          "Steps that the drivers of this process can work on at once, each.",
          host.total,
        ),
        gauge("conveyor_slots_used", "Steps that they work on.", host.used),
      ]
      : [],
    gauge("conveyor_data_free_bytes", "Free space where the data folder is.", Number(bavail) * Number(bsize)),
    gauge("process_resident_memory_bytes", "Resident memory.", process.memoryUsage.rss()),
    {
      name: "process_cpu_seconds_total",
      help: "CPU time, user and system.",
      type: "counter",
      samples: [{ value: (user + system) / 1e6 }],
    },
    gauge(
      "process_start_time_seconds",
      "When it was started, seconds since the epoch.",
      Math.round(performance.timeOrigin / 1000),
    ),
  ];
}
