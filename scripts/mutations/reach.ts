import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file of tests, how long it takes, and the lines that it runs, by path from the root. */
export interface TestFile {
  readonly path: string;
  readonly ms: number;
  readonly lines: ReadonlyMap<string, ReadonlyMap<number, boolean>>;
}

/** Runs a file of tests as the code stands; undefined if it fails or takes too long. */
export async function measure(
  path: string,
  { root, timeoutMs }: { root: string; timeoutMs: number },
): Promise<TestFile | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "reach-"));
  try {
    const began = performance.now();
    const coverage = ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${folder}`];
    if (!await passes(path, { root, timeoutMs, flags: coverage })) return undefined;
    const ms = performance.now() - began;
    const report = Bun.file(join(folder, "lcov.info"));
    return { path, ms, lines: await report.exists() ? linesOf(await report.text()) : new Map() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Whether the file may run the line. A line of which the report says nothing is reached by loading its file.
 */
export function reaches({ lines }: TestFile, path: string, line: number): boolean {
  const known = lines.get(path);
  return known !== undefined && (known.get(line) ?? true);
}

/** The tests of a file pass, and in time: a loop without an end is noticed as well. */
export async function passes(
  path: string,
  { root, timeoutMs, flags = [] }: { root: string; timeoutMs: number; flags?: readonly string[] },
): Promise<boolean> {
  const child = Bun.spawn(
    [
      process.execPath,
      "--no-env-file",
      "test",
      "--isolate",
      "--bail",
      "--timeout",
      "20000",
      ...flags,
      `./${path}`,
    ],
    { cwd: root, stdout: "ignore", stderr: "ignore", timeout: timeoutMs, killSignal: "SIGKILL" },
  );
  return await child.exited === 0;
}

/** Reads a report in LCOV's form. */
function linesOf(report: string): Map<string, Map<number, boolean>> {
  const files = new Map<string, Map<number, boolean>>();
  let lines = new Map<number, boolean>();
  for (const entry of report.split("\n")) {
    if (entry.startsWith("SF:")) files.set(entry.slice(3), lines = new Map());
    const [, line, count] = entry.match(/^DA:(\d+),(\d+)/) ?? [];
    if (line !== undefined) lines.set(Number(line), count !== "0");
  }
  return files;
}
