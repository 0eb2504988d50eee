import { StepFailure } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import type { ContainerInfo } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import { endProcesses } from "../driver/end-processes.ts";
import { exec, isOutOfProcesses } from "../driver/exec.ts";
import { OWN_FOLDER } from "./container.ts";
import { diagnose } from "./diagnose.ts";
import { buildUser } from "./labels.ts";
import { onceBegun } from "./once-begun.ts";
import { type Plan, WORKSPACE } from "./plan.ts";
import type { Checkout } from "./step.ts";

/** One command as it ended. */
export interface CommandResult {
  readonly command: string;
  readonly exitCode: number;
  readonly seconds: number;
}

/** Made before the first command: whoever finds it does not run them again. */
const MARKER = `${OWN_FOLDER}/build-begun`;
/**
 * Every command runs through this. $1 is the marker to make (for the first one) or empty, $2 the folder; the command
 * follows. A marker that cannot be made means that another attempt has made it in this very moment.
 */
const WRAPPER = `
if [ -n "$1" ]; then
  while ! [ -d ${OWN_FOLDER} ]; do sleep 0.1; done
  mkdir "$1" 2>/dev/null || { echo "This build was begun already; it is not run twice" >&2; exit 1; }
fi
cd "$2" || { echo "The folder $2 does not exist in the workspace" >&2; exit 1; }
shift 2
exec "$@"
`;

/**
 * Runs a plan's commands one after the other; the first that fails ends the step. At most once: when an earlier attempt
 * has begun them, what still runs of it is ended and the step fails as `driver-lost`. Throws StepFailure with
 * `data.commands`.
 */
export async function runCommands(
  context: Context,
  container: ContainerInfo,
  plan: Plan,
  checkout: Checkout,
): Promise<CommandResult[]> {
  await refuseSecondAttempt(context, container);
  const results: CommandResult[] = [];
  const env = environment(context, plan, checkout);
  for (const [i, command] of plan.spec.commands.entries()) {
    const shown = show(command);
    await context.log.line(`$ ${shown}`);
    const words = typeof command === "string" ? ["/bin/sh", "-ec", command] : command;
    const wrapped = ["/bin/sh", "-c", WRAPPER, "conveyor", i === 0 ? MARKER : "", plan.workdir, ...words];
    const began = Date.now();
    const exitCode = await onceBegun(
      `\`${shown}\` was cut off`,
      { commands: results },
      () => run(context, container, { command: wrapped, env, shown, results }),
    );
    const seconds = (Date.now() - began) / 1000;
    results.push({ command: shown, exitCode, seconds });
    context.reach("command-ended");
    if (exitCode !== 0) {
      throw await failure(context, container, { shown, exitCode, tookMs: seconds * 1000, results });
    }
    await context.log.line(`Done in ${formatDuration(seconds * 1000)}`);
  }
  return results;
}

async function refuseSecondAttempt(context: Context, container: ContainerInfo): Promise<void> {
  const { docker, signal, settings } = context;
  if (!await docker.exists(container.id, MARKER, { signal })) return;
  await context.log.line(
    "An earlier attempt had begun this build and was lost; what it printed after the line above is gone",
  );
  const ended = await context.cleanup((signal) =>
    endProcesses(docker, container.id, { graceMs: settings.graceMs, signal })
  );
  throw new StepFailure(
    `The driver was lost in the middle of the build, and commands are never run twice (what still ran was ${ended})`,
    { reason: "driver-lost" },
  );
}

/** CI, and what of the run a build wants to know; the spec's own variables and secrets go over them. */
function environment(
  { run, secrets }: Context,
  { env }: Plan,
  { commit, ref }: Checkout,
): Record<string, string> {
  return { CI: "true", CONVEYOR_RUN: run, CONVEYOR_COMMIT: commit, CONVEYOR_REF: ref, ...env, ...secrets };
}

async function run(
  context: Context,
  container: ContainerInfo,
  { command, env, shown, results }: {
    command: string[];
    env: Record<string, string>;
    shown: string;
    results: readonly CommandResult[];
  },
): Promise<number> {
  // The wrapper has made the marker before the command can say a word.
  let isMarked = results.length > 0;
  const intercept = () => {
    if (!isMarked) context.reach("marked");
    isMarked = true;
    return false;
  };
  const options = { command, env, intercept, workdir: WORKSPACE, ...buildUser(container) };
  try {
    return await exec(context, container.id, options);
  } catch (error) {
    if (!isOutOfProcesses(error)) throw error;
    throw new StepFailure(`Cannot run \`${shown}\`: the container is at its limit of processes`, {
      reason: "pids-exhausted",
      data: { commands: results },
      cause: error,
    });
  }
}

async function failure(
  context: Context,
  container: ContainerInfo,
  { shown, exitCode, tookMs, results }: {
    shown: string;
    exitCode: number;
    tookMs: number;
    results: readonly CommandResult[];
  },
): Promise<StepFailure> {
  const data = { exitCode, commands: results };
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

/** A command as a person would type it, on one line. */
function show(command: string | readonly string[]): string {
  const text = typeof command === "string"
    ? command.trim().replace(/\s*\n\s*/g, "; ")
    : command.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`).join(
      " ",
    );
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
