import { StepFailure } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import { type ContainerInfo, DockerError } from "../docker/docker.ts";
import type { BuildContext } from "./policy.ts";
import { exec } from "../driver/work/exec.ts";
import { provideAuthorities } from "./authorities/provide.ts";
import { beginOnce } from "./begin.ts";
import { diagnose } from "./diagnose.ts";
import { provideEntering } from "./enter.ts";
import { isAlone, isKept } from "./keep-running.ts";
import { buildUser, withheldVariables } from "./labels.ts";
import { onceBegun } from "./once-begun.ts";
import { type Plan, WORKSPACE } from "./plan.ts";
import { proxiesOf, sayProxies } from "./proxies.ts";
import { listedCommands, showCommand } from "./show-command.ts";
import { wordsOf } from "./shell.ts";
import type { Checkout } from "./step.ts";

/** Exit code of a process that SIGKILL ended, as shells report it. */
const KILLED = 137;
/** Exit code of a command that Docker could not start. */
const NOT_STARTED = 126;

/** A finished command. */
export interface CommandResult {
  readonly command: string;
  readonly exitCode: number;
  readonly seconds: number;
  /** Whether no process of the build ran when the last command had succeeded. */
  readonly alone?: boolean;
}

/**
 * Runs a plan's commands in order, up to the first that fails. Never runs them twice: if an earlier attempt
 * has begun them, ends its processes and throws StepFailure `driver-lost`. A failed command is a StepFailure
 * with `data.commands`.
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
  const authorities = await onceBegun(
    "The build was cut off before its first command",
    {},
    () => provideAuthorities(context, container, plan),
  );
  const proxies = proxiesOf(context, plan);
  await sayProxies(context, "the build", proxies);
  const variables = {
    ...withheldVariables(container),
    ...withoutSecrets(context, proxies),
    ...authorities,
    ...environment(context, plan, checkout),
  };
  const { workdir } = plan;
  await onceBegun(
    "The build was cut off before its first command",
    {},
    () => provideEntering(context, container, { env: variables, workdir }),
  );
  const env = { ...variables, ...context.secrets };
  const last = plan.spec.commands.length - 1;
  for (const [i, command] of plan.spec.commands.entries()) {
    const shown = showCommand(command);
    await context.log.line(`$ ${shown}`);
    const words = wordsOf(command, plan.spec.shell);
    const began = performance.now();
    const { exitCode, alone } = await onceBegun(
      `\`${shown}\` was cut off`,
      listedCommands(results),
      () => run(context, container, { command: words, env, workdir, isLast: i === last }),
    );
    const tookMs = Math.round(performance.now() - began);
    results.push({ command: shown, exitCode, seconds: tookMs / 1000, ...alone !== undefined && { alone } });
    context.faultPoint("command-ended");
    if (exitCode !== 0) {
      throw await failure(context, container, { shown, exitCode, tookMs, results });
    }
    await context.log.line(`Done in ${formatDuration(tookMs)}`);
  }
  return results;
}

const withoutSecrets = ({ secrets }: BuildContext, variables: Record<string, string>) =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !Object.hasOwn(secrets, name)));

/**
 * `CI`, the run's id, commit and ref, whether the commit is of a working tree, and the place in a trace. The
 * spec's variables override them.
 */
function environment(
  { run, traceparent }: BuildContext,
  { env, spec }: Plan,
  { commit, ref }: Checkout,
): Record<string, string> {
  const facts = { CI: "true", CONVEYOR_RUN: run, CONVEYOR_COMMIT: commit, CONVEYOR_REF: ref };
  return {
    ...facts,
    ...spec.dirty && { CONVEYOR_DIRTY: "true" },
    ...traceparent !== undefined && { TRACEPARENT: traceparent },
    ...env,
  };
}

/**
 * Runs a command in the build's environment, without a wrapper script. Returns its exit code, and of the last
 * command whether it left no processes. The exit code is KILLED if all processes of the container were killed
 * and the command could not start, or was the last one and exited with 0.
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
): Promise<{ exitCode: number; alone?: boolean }> {
  const { docker, signal } = context;
  try {
    const exitCode = await exec(context, container.id, { command, env, workdir, ...buildUser(container) });
    // After any other command, the next one fails to start.
    const mayBeGone = exitCode === NOT_STARTED || (exitCode === 0 && isLast);
    if (!mayBeGone) return { exitCode };
    const alone = await isAlone(docker, container, signal);
    if (alone === undefined) return { exitCode: KILLED };
    return { exitCode, ...exitCode === 0 && { alone } };
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    if (!await isKept(docker, container, signal)) return { exitCode: KILLED };
    await context.log.line(`Docker cannot run it: ${error.message}`);
    return { exitCode: NOT_STARTED };
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

/**
 * Logs a warning for a `$PATH` that is not expanded. `docker run -e` does not expand variables either, but
 * with such a PATH no program is found.
 */
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
