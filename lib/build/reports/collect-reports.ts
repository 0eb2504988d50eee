import { messageOf } from "../../base/errors.ts";
import { counted, formatSize } from "../../base/units.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { chooseFiles } from "../artifacts/choose.ts";
import { showName } from "../artifacts/file-name.ts";
import { fetchFiles } from "../artifacts/fetch.ts";
import { withSession } from "../artifacts/session.ts";
import { shorten, type Wanted } from "../artifacts/unpack.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import type { TestSummary } from "./junit.ts";

/** Reports above this size, and more of them than this, are not read. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_REPORTS = 5000;
const MAX_NAMED = 20;
/** Failures in the log. */
const MAX_LINES = 10;

/**
 * Reads a build's test reports and logs what they say. Undefined if the spec names none, or none is there. A
 * report that cannot be read is a line in the log: the outcome of the build does not depend on reports.
 */
export async function collectReports(
  context: BuildContext,
  container: ContainerInfo,
  { reports, workdir }: Pick<Plan, "reports" | "workdir">,
): Promise<TestSummary | undefined> {
  if (reports.length === 0) return undefined;
  try {
    return await collect(context, container, { reports, workdir });
  } catch (error) {
    context.signal.throwIfAborted();
    await context.log.line(`The test reports cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

async function collect(
  context: BuildContext,
  container: ContainerInfo,
  { reports, workdir }: Pick<Plan, "reports" | "workdir">,
): Promise<TestSummary | undefined> {
  const { log, signal } = context;
  // Most builds have no reports, so their driver starts without a parser of XML.
  const { addTests, emptySummary, readJunit } = await import("./junit.ts");
  const summary = emptySummary();
  const unread: string[] = [];
  await withSession(context, container, { folder: workdir, showsGit: false }, async (session) => {
    const { files, unmatched, leftOut, unkept } = await chooseFiles(session, reports, { signal });
    for (const { glob } of unmatched) {
      unread.push(`No file matches the report glob ${JSON.stringify(shorten(glob.text))} in ${workdir}`);
    }
    for (const { name, why } of [...unkept, ...leftOut]) {
      unread.push(`The report ${showName(name)} is not read: ${why}`);
    }
    const small = files.filter(({ size }) => size <= MAX_BYTES);
    if (small.length < files.length) {
      unread.push(`${files.length - small.length} reports are not read: above ${formatSize(MAX_BYTES)}`);
    }
    if (small.length > MAX_REPORTS) {
      unread.push(`${small.length - MAX_REPORTS} reports are not read: there are more than ${MAX_REPORTS}`);
    }
    await fetchFiles(context, container, {
      session,
      files: small.slice(0, MAX_REPORTS),
      take: ({ name }, _mode, bytes) => read(name, bytes),
    });
  });
  for (const line of unread.slice(0, MAX_NAMED)) await log.line(line);
  if (unread.length > MAX_NAMED) await log.line(`${unread.length - MAX_NAMED} more reports are not read`);
  if (summary.reports === 0) return undefined;
  for (const line of linesOf(summary)) await log.line(line);
  return summary;

  async function read(name: Wanted["name"], bytes: AsyncIterable<Uint8Array>): Promise<void> {
    // The rest of the archive follows, so all of the file has to be taken, also of one that is no report.
    const rest = bytes[Symbol.asyncIterator]();
    const shared = { [Symbol.asyncIterator]: () => ({ next: () => rest.next() }) };
    try {
      addTests(summary, await readJunit(shared));
    } catch (error) {
      signal.throwIfAborted();
      unread.push(
        `The report ${showName(name)} is not read: ${messageOf(error).split("\n")[0]}`,
      );
      for await (const _ of shared);
    }
  }
}

/** Returns what a summary says, for a log. */
function linesOf({ reports, tests, failures, skipped, seconds, failed, slowest }: TestSummary): string[] {
  const counts = [
    `${counted(tests, "test")} in ${counted(reports, "report")}`,
    `${failures} failed`,
    ...skipped > 0 ? [`${skipped} skipped`] : [],
    `${seconds.toFixed(2)} s`,
  ];
  const slow = slowest.slice(0, 3).map(({ name, seconds }) => `${name} (${seconds.toFixed(2)} s)`);
  return [
    ...slow.length > 0 ? [`Slowest: ${slow.join(", ")}`] : [],
    ...failed.slice(0, MAX_LINES).map(({ name, message }) =>
      `Failed: ${name}${message === "" ? "" : `: ${message}`}`
    ),
    ...failures > MAX_LINES ? [`and ${failures - MAX_LINES} more that failed`] : [],
    `Tests: ${counts.join(", ")}`,
  ];
}
