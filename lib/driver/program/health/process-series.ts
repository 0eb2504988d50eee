import type { Series } from "../../../base/metrics.ts";
import { version } from "../command-line/version.ts";

/** Returns what this process is, and what it uses. */
export function processSeries(): Series[] {
  const { user, system } = process.cpuUsage();
  const runtime = "bun" in process.versions ? "bun" : "deno";
  return [
    {
      name: "conveyor_build_info",
      help: "What this process is; always 1.",
      type: "gauge",
      samples: [{ labels: { version: version(), runtime }, value: 1 }],
    },
    {
      name: "process_resident_memory_bytes",
      help: "Resident memory.",
      type: "gauge",
      samples: [{ value: process.memoryUsage.rss() }],
    },
    {
      name: "process_cpu_seconds_total",
      help: "CPU time, user and system.",
      type: "counter",
      samples: [{ value: (user + system) / 1e6 }],
    },
    {
      name: "process_start_time_seconds",
      help: "When this process was started, seconds since the epoch.",
      type: "gauge",
      samples: [{ value: Math.round(performance.timeOrigin / 1000) }],
    },
  ];
}
