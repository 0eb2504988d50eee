import { StepFailure } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { exec } from "../driver/work/exec.ts";
import { beginOnce } from "./begin.ts";
import { diagnose } from "./diagnose.ts";
import { isKept } from "./keep-running.ts";
import { buildUser, withheldVariables } from "./labels.ts";
import { onceBegun } from "./once-begun.ts";
import { type Plan, WORKSPACE } from "./plan.ts";
import { listedCommands, showCommand } from "./show-command.ts";
import type { Checkout } from "./step.ts";

/** The exit code of a process that was ended by SIGKILL, as shells tell it. */
const KILLED = 137;
/** The exit code of a command that Docker could not start. */
const NOT_STARTED = 126;

/** One command as it ended. */
export interface CommandResult {
  readonly command: string;
  readonly exitCode: number;
  readonly seconds: number;
}

/**
 * Runs a plan's commands one after the other; the first that fails ends the step. At most once: when an earlier attempt
 * has begun them, what still runs of it is ended and the step fails as `driver-lost`. Throws StepFailure with
 * `data.commands`.
 */
export async function runCommands(
  context: BuildContext,
  container: ContainerInfo,
  plan: Plan,
  checkout: Checkout,
): Promise<CommandResult[]> {
  await checkFolder(context, container, plan.workdir);
  await sayUnexpanded(context, plan.env);
  await onceBegun("The build was cut off before its first command", {}, () => beginOnce(context, container));
  context.faultPoint("marked");
  const results: CommandResult[] = [];
  const env = { ...withheldVariables(container), ...environment(context, plan, checkout) };
  const last = plan.spec.commands.length - 1;
  for (const [i, command] of plan.spec.commands.entries()) {
    const shown = showCommand(command);
    await context.log.line(`$ ${shown}`);
    const words = typeof command === "string" ? ["/bin/sh", "-ec", command] : command;
    const began = performance.now();
    const exitCode = await onceBegun(
      `\`${shown}\` was cut off`,
      listedCommands(results),
      () => run(context, container, { command: words, env, workdir: plan.workdir, isLast: i === last }),
    );
    const seconds = (performance.now() - began) / 1000;
    results.push({ command: shown, exitCode, seconds });
    context.faultPoint("command-ended");
    if (exitCode !== 0) {
      throw await failure(context, container, { shown, exitCode, tookMs: seconds * 1000, results });
    }
    await context.log.line(`Done in ${formatDuration(seconds * 1000)}`);
  }
  return results;
}

/** CI, and what of the run a build wants to know; the spec's own variables and secrets go over them. */
function environment(
  { run, secrets }: BuildContext,
  { env }: Plan,
  { commit, ref }: Checkout,
): Record<string, string> {
  return { CI: "true", CONVEYOR_RUN: run, CONVEYOR_COMMIT: commit, CONVEYOR_REF: ref, ...env, ...secrets };
}

/**
 * Runs a command in the environment of the build, without any script of ours around it. Returns its exit code: KILLED as well
 * where it could not be started, or has ended well, in a container whose processes were all killed.
 */
async function run(
  context: BuildContext,
  container: ContainerInfo,
  { command, env, workdir, isLast }: {
    command: readonly string[];
    env: Record<string, string>;
    workdir: string;
    isLast: boolean;
  },
): Promise<number> {
  const { docker, signal } = context;
  try {
    const exitCode = await exec(context, container.id, { command, env, workdir, ...buildUser(container) });
    // After any other than the last, the next one cannot be started.
    const mayBeGone = exitCode === NOT_STARTED || (exitCode === 0 && isLast);
    return !mayBeGone || await isKept(docker, container, signal) ? exitCode : KILLED;
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    if (!await isKept(docker, container, signal)) return KILLED;
    await context.log.line(`Docker cannot run it: ${error.message}`);
    return NOT_STARTED;
  }
}

async function failure(
  context: BuildContext,
  container: ContainerInfo,
  { shown, exitCode, tookMs, results }: {
    shown: string;
    exitCode: number;
    tookMs: number;
    results: readonly CommandResult[];
  },
): Promise<StepFailure> {
  const data = { exitCode, ...listedCommands(results) };
  const exited = `\`${shown}\` exited with ${exitCode}`;
  const { reason, because } = await onceBegun(
    exited,
    data,
    () => diagnose(context, container, { exitCode, tookMs }),
  );
  const message = because === undefined ? exited : `${exited}: ${because}`;
  await context.log.line(message);
  return new StepFailure(message, { reason, data });
}

async function checkFolder(
  { docker, signal }: BuildContext,
  { id }: ContainerInfo,
  folder: string,
): Promise<void> {
  if (folder === WORKSPACE || await docker.exists(id, folder, { signal })) return;
  throw new StepFailure(`The folder ${folder} does not exist in the workspace`, { reason: "command-failed" });
}

/** `docker run -e` expands nothing either, but a PATH that was meant to be longer finds no program at all. */
async function sayUnexpanded(
  { log }: BuildContext,
  { PATH }: Readonly<Record<string, string>>,
): Promise<void> {
  if (PATH === undefined || !/\$\{?PATH\b/.test(PATH)) return;
  await log.line(
    `The variable PATH is ${JSON.stringify(PATH)} as it stands: the "$PATH" in it is not expanded. ` +
      `Expected the whole PATH, or a command that begins with: export PATH=${PATH};`,
  );
}
