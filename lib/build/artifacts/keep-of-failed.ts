import { messageOf, StepFailure } from "../../base/errors.ts";
import { timeoutSignal } from "../../base/timers.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { StopError } from "../../driver/driver.ts";
import type { Artifact } from "../../wire/run.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { collectReports } from "../reports/collect-reports.ts";
import type { TestSummary } from "../reports/junit.ts";
import { collectArtifacts } from "./collect.ts";
import { type BuildEnd, wantedAt } from "./wanted.ts";

/** How long keeping may take once a build was told to stop, milliseconds: part of the cleanup time. */
const AFTER_STOP_MS = 20_000;
/** Stop reasons after which the build is over. After any other one, another instance continues the step. */
const ENDS: Readonly<Record<string, BuildEnd>> = { "timeout": "failure", "cancelled": "stopped" };
/** Failures without a container to look in, or with one that an earlier attempt has left. */
const NOTHING_LEFT = new Set(["container-lost", "driver-lost"]);

/** What a build that did not succeed has left, for the data of its result. */
interface Kept {
  readonly artifacts?: readonly Artifact[];
  readonly reports?: TestSummary;
}

/**
 * Runs a build's work. Sums up the test reports and keeps the artifacts that are wanted of a build that did
 * not succeed. Throws what `work` throws, with both in its data; for a stop that is a StepFailure with the
 * stop's reason. Keeping never replaces that error: its own failure is a line of the log.
 */
export async function keepingOfFailed<T>(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const end = endOf(thrown, context);
    const isWanted = end !== undefined && wantedAt(plan.artifacts, end).length > 0;
    if (end === undefined || (!isWanted && plan.reports.length === 0)) throw thrown;
    const kept = await keep(context, container, plan, end);
    throw withKept(thrown, kept, context.signal);
  }
}

/** Returns the error with what was kept in its data. */
function withKept(thrown: unknown, kept: Kept, { reason: stop }: AbortSignal): unknown {
  if (thrown instanceof StepFailure) {
    const { message, reason, data, cause } = thrown;
    return new StepFailure(message, { reason, data: { ...kept, ...data }, cause });
  }
  if (!(stop instanceof StopError) || Object.keys(kept).length === 0) return thrown;
  return new StepFailure(stop.message, { reason: stop.reason, data: { ...kept }, cause: thrown });
}

/** Returns the reports for the data of a result; empty if there are none. */
export async function reportsOf(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
): Promise<Pick<Kept, "reports">> {
  const reports = await collectReports(context, container, plan);
  return reports ? { reports } : {};
}

/** Returns how the build ended, or undefined if it goes on elsewhere or left nothing. */
function endOf(thrown: unknown, { signal }: BuildContext): BuildEnd | undefined {
  if (signal.reason instanceof StopError) return ENDS[signal.reason.reason];
  return thrown instanceof StepFailure && !NOTHING_LEFT.has(thrown.reason) ? "failure" : undefined;
}

async function keep(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
  end: BuildEnd,
): Promise<Kept> {
  try {
    if (!context.signal.aborted) return await collectFrom(context, container, plan, end);
    return await context.cleanup(async (cleanup) => {
      if (!await context.isOurs()) return {};
      const signal = AbortSignal.any([cleanup, timeoutSignal(AFTER_STOP_MS)]);
      return await collectFrom({ ...context, signal }, container, plan, end);
    });
  } catch (error) {
    await context.log.line(`The artifacts of this build cannot be kept: ${messageOf(error)}`);
    return {};
  }
}

/** A container that had to be killed is started again, with nothing but its first process. */
async function collectFrom(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
  end: BuildEnd,
): Promise<Kept> {
  const { docker, signal } = context;
  const now = await docker.inspect(container.id, { signal });
  if (!now) return {};
  if (now.state !== "running") await docker.start(container.id, { signal });
  const reports = await reportsOf(context, container, plan);
  const artifacts = await collectArtifacts(context, container, plan, end);
  return { ...reports, ...artifacts.length > 0 && { artifacts } };
}
