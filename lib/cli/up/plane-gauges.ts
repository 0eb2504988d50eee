import { statfs } from "node:fs/promises";
import type { Series } from "../../base/metrics.ts";
import { type DockerHost, hostSeries, ifItAnswers } from "../../driver/program/health/host-series.ts";
import { processSeries } from "../../driver/program/health/process-series.ts";
import type { Plane } from "./open-plane.ts";

export interface GaugeParts {
  readonly folder: string;
  /** Parts of the engine that are failing. */
  readonly troubles: () => readonly string[];
  /** Steps that this process's drivers work on, and their slots; undefined without drivers. */
  readonly slots: () => { readonly used: number; readonly total: number } | undefined;
  readonly stored: Plane["stored"];
  /** Where this process's drivers work; undefined without drivers. */
  readonly host: DockerHost | undefined;
}

/** Returns the gauges of this process, its host, and what is stored. */
export async function planeGauges(
  { folder, troubles, slots, stored, host }: GaugeParts,
): Promise<Series[]> {
  const [disk, kept, containers] = await Promise.all([
    ifItAnswers(() => statfs(folder)),
    ifItAnswers(stored),
    host ? hostSeries(host) : [],
  ]);
  const used = slots();
  return [
    {
      name: "conveyor_part_failing",
      help: "Parts of the engine that do not work just now.",
      type: "gauge",
      samples: troubles().map((part) => ({ labels: { part }, value: 1 })),
    },
    gauge("conveyor_slots", "Steps that each driver of this process can work on at once.", used?.total),
    gauge("conveyor_slots_used", "Steps that the drivers of this process work on.", used?.used),
    ...containers,
    gauge(
      "conveyor_dead_letters",
      "Messages that nobody could understand and that are kept for a look.",
      kept?.deadLetters,
    ),
    gauge("conveyor_log_bytes", "Size of all stored log lines, as they are stored.", kept?.logBytes),
    gauge("conveyor_log_limit_bytes", "The most that the broker keeps of all log lines.", kept?.logLimit),
    gauge(
      "conveyor_data_free_bytes",
      "Free space where the data folder is.",
      disk && Number(disk.bavail) * Number(disk.bsize),
    ),
    ...processSeries(),
  ];
}

/** A metric without labels; without a sample if its value is not known. */
function gauge(name: string, help: string, value: number | undefined): Series {
  return { name, help, type: "gauge", samples: value === undefined ? [] : [{ value }] };
}
