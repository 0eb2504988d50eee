/** What there is to run: files of tests, each on a runtime and, for those that need one, on a broker. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import usualSeconds from "./usual-seconds.json" with { type: "json" };

export type Runtime = "bun" | "deno";

export interface Job {
  readonly runtime: Runtime;
  readonly files: readonly string[];
  /** The program of the broker that its tests start. */
  readonly broker: string;
  readonly kind: Kind;
}

/** What a file needs, which the end of its name says. */
export type Kind = "unit" | "processes" | "brokers" | "Docker" | "alone" | "transport" | "release";

const ENDINGS: readonly [RegExp, Kind][] = [
  [/_release_test\.ts$/, "release"],
  [/_alone_test\.ts$/, "alone"],
  [/_docker_test\.ts$/, "Docker"],
  [/_nats_test\.ts$/, "brokers"],
  [/_slow_test\.ts$/, "processes"],
];
/** Files without parts of their own are quick: a process takes this many of them. */
const UNITS_AT_ONCE = 55;
/** What checks the transport's contract, which each runtime does on each broker. */
const CONTRACT = "tests/backend/nats_transport_nats_test.ts";

export const kindOf = (file: string): Kind => ENDINGS.find(([ending]) => ending.test(file))?.[1] ?? "unit";

/**
 * All jobs, those first that take longest: according to `times` (milliseconds; see `nameOf`) where that is
 * known of this machine, else as is usual.
 */
export function jobsFor(
  files: readonly string[],
  brokers: Record<Runtime, string>,
  times: Readonly<Record<string, number>>,
): Job[] {
  const jobs: Job[] = [];
  for (const runtime of ["bun", "deno"] as const) {
    const broker = brokers[runtime];
    const units = files.filter((file) => kindOf(file) === "unit");
    for (let i = 0; i < units.length; i += UNITS_AT_ONCE) {
      jobs.push({ runtime, broker, kind: "unit", files: units.slice(i, i + UNITS_AT_ONCE) });
    }
    for (const file of files) {
      const kind = kindOf(file);
      // What a release holds is the same whatever the tests run on.
      if (kind === "release" && runtime !== "bun") continue;
      if (kind !== "unit") jobs.push({ runtime, broker, kind, files: [file] });
      const other = brokers[runtime === "bun" ? "deno" : "bun"];
      if (file.endsWith(CONTRACT) && other !== broker) {
        jobs.push({ runtime, broker: other, kind: "transport", files: [file] });
      }
    }
  }
  // Seconds, on two cores.
  const guess: Record<Kind, number> = {
    release: 60,
    alone: 20,
    Docker: 9,
    brokers: 7,
    transport: 7,
    processes: 3,
    unit: 15,
  };
  const usual: Readonly<Record<string, number>> = usualSeconds;
  const length = (job: Job) => times[nameOf(job)] ?? (usual[job.files[0] ?? ""] ?? guess[job.kind]) * 1000;
  return jobs.sort((a, b) => length(b) - length(a));
}

/** `bun tests/cli/flag_test.ts and 24 more` */
export function nameOf({ runtime, files, kind }: Job): string {
  const more = files.length > 1 ? ` and ${files.length - 1} more` : "";
  return `${runtime} ${files[0]}${more}${kind === "transport" ? " on the other broker" : ""}`;
}

/**
 * The command that runs a job's tests, each of which may take so long. Units share the modules that they
 * import, which is half of what they cost: Deno, which would load them anew for each file, is given one file
 * that imports all, made in `folder`.
 */
export function commandOf(job: Job, timeoutMs: number, folder: string): string[] {
  const { runtime, files, kind } = job;
  if (runtime === "bun") {
    return [
      ...["bun", "--no-env-file", "test", "--timeout", String(timeoutMs)],
      ...kind === "unit" ? [] : ["--isolate"],
      ...files.map((file) => file.startsWith("/") ? file : `./${file}`),
    ];
  }
  const test = ["deno", "test", "-A", "--no-check", "--cached-only"];
  if (files.length === 1) return [...test, ...files];
  const all = join(folder, `${nameOf(job).replace(/\W+/g, "-")}_test.ts`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    all,
    files.map((file) => `import ${JSON.stringify(pathToFileURL(resolve(file)))};\n`).join(""),
  );
  return [...test, all];
}
