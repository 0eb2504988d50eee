import { randomUUID } from "node:crypto";
import { InputError, messageOf } from "../../base/errors.ts";
import { type Faults, parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { abortable } from "../../base/signals.ts";
import { LABELS } from "../../build/labels.ts";
import type { Drivers } from "../shared/drivers.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { exitOfRun } from "../shared/exit-of-run.ts";
import { CA_FLAG, readAuthorities } from "../../build/authorities/flag.ts";
import { CACHE_FLAGS } from "../../build/cache/limits.ts";
import { GIT_ACCESS, readGitAccess } from "../../build/git/git-access.ts";
import { checkWhoVerifies, readSigners, SIGNATURES_FLAG } from "../../build/signatures/flag.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { loadDrivers } from "../shared/load-driver.ts";
import type { Renderer } from "../shared/render/renderer.ts";
import type { Stop } from "../../driver/program/stop/stop.ts";
import type { BuildRequest } from "../shared/request/build-request.ts";
import type { PastBuild } from "../shared/request/past-request.ts";
import type { Parts } from "./open-parts.ts";
import type { Operands } from "../shared/request/operands.ts";
import type { RunOptions } from "./run-flags.ts";
import { checkOutput } from "../shared/save-artifacts.ts";
import { openSession } from "../shared/session.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { showRun } from "../shared/show-run.ts";
import { ownFolders } from "../shared/request/local-request.ts";
import { sayWhatIsBuilt } from "../shared/request/say-what-is-built.ts";

export interface RunInput {
  readonly operands: Operands;
  readonly options: RunOptions;
  readonly drivers: Drivers;
  /** An earlier build to repeat, instead of flags and operands. */
  readonly again?: PastBuild;
  /** Called with what is built before anything is started. What it throws refuses the build. */
  readonly onRequest?: (request: BuildRequest) => Promise<void>;
}

/**
 * Builds a repository on this machine. Returns the exit code. Throws InputError if the build is refused
 * before it starts, and UnavailableError if this machine cannot run it.
 */
export async function run({ operands, options, drivers, again, onRequest }: RunInput): Promise<number> {
  const run = randomUUID();
  await using session = openSession(options, { leftBehind: leftBehind(run) });
  const { renderer, signal } = session;
  // Work that is not urgent runs while the container starts.
  const idle = Promise.withResolvers<void>();
  try {
    // Connect to Docker while loading the rest. Errors in the input are reported first.
    await using docker = reachDocker({ endpoint: options.docker, environment, signal });
    const { interpretSchemas } = await import("../shared/request/interpret-schemas.ts");
    interpretSchemas();
    // What is loaded next would keep the question to Docker from being sent.
    await docker.asked;
    const own = await loadDrivers(options.driver);
    const signatures = await readSigners(await readPolicy(SIGNATURES_FLAG, options));
    // Part of the spec, so that a repetition of the run needs them as well.
    const verifySignatures = signatures?.text;
    const asking = again
      ? (await import("../shared/request/past-request.ts"))
        .requestOfPast(again, environment, options, { verifySignatures })
      : (await import("../shared/request/build-request.ts"))
        .buildRequest(options, operands, environment, { own, verifySignatures });
    // A file may be a pipe without a writer.
    const request = await abortable(asking, signal);
    using _workTree = request.local?.dirty;
    await onRequest?.(request);
    if (request.plan.spec.artifacts.length > 0) checkOutput(options.output);
    const gitAccess = await readGitAccess({
      ...await readPolicy(GIT_ACCESS, options),
      gitToken: options.gitToken,
    });
    const authorities = await readAuthorities(await readPolicy(CA_FLAG, options));
    if (signatures) {
      const says = "a file chooses it";
      checkWhoVerifies({ ...gitAccess, allowImages: request.trustedImages }, { says });
    }
    const caches = await readPolicy(CACHE_FLAGS, options);
    const faultPoint = faultsOf(environment.CONVEYOR_FAULT);
    const { openParts } = await import("./open-parts.ts");
    await using parts = await openParts({
      run,
      request,
      options,
      gitAccess,
      authorities,
      signers: signatures?.signers,
      caches,
      drivers,
      own,
      environment,
      docker,
      onIdle: idle.resolve,
      faultPoint,
      signal,
    });
    await submit(parts, run, request, again?.run);
    await using _heeding = await heedOthers(parts, run);
    await using _cleaning = parts.cleanUp(idle.promise);
    await using _warning = sayWhatIsBuilt(request, {
      after: idle.promise,
      environment,
      own: ownFolders(options, environment),
      note: renderer.note,
    });
    using _stopping = session.onStop((stop) => cancel(parts, run, stop, renderer.note));
    const { engine, store: { artifacts } } = parts;
    // Do not read back log lines that are not shown.
    const events = engine.follow(run, { logs: options.quiet !== true });
    const showing = showRun(events, renderer, {
      run,
      artifacts,
      output: options.output,
      showAgain: commandFor("show", run, { data: options.data }),
      saveAgain: commandFor("artifacts", run, { data: options.data }),
    });
    return exitOfRun(await showing.finally(idle.resolve), session.stopped);
  } catch (error) {
    if (session.stopped === undefined || error !== signal.reason) throw error;
    renderer.note("Cancelled before anything was started");
    return session.stopped.exit;
  }
}

async function submit(
  { engine }: Parts,
  run: string,
  { resource, plan, pipeline, secrets }: BuildRequest,
  retryOf: string | undefined,
): Promise<void> {
  const { timeout, restart } = plan.spec;
  await engine.submit({
    run,
    resource,
    pipeline,
    operation: "create",
    timeoutMs: timeout,
    restarts: restart,
    secrets,
    ...retryOf !== undefined && { retryOf },
  });
}

/** Watches the run's record for a stop request of "flutter-ci cancel": only this process can end the step. */
async function heedOthers({ engine, store }: Parts, run: string): Promise<AsyncDisposable> {
  let isHeeded = false;
  const look = async () => {
    const found = await store.runs.get(run);
    if (isHeeded || !found?.value.verdict || found.value.outcome !== undefined) return;
    isHeeded = true;
    await engine.heed(run);
  };
  return await store.runs.watch(run, () => {
    look().catch((error) => {
      isHeeded = false;
      processLog("run").debug("Cannot act on the run's record yet: {error}", { error: messageOf(error) });
    });
  });
}

async function cancel(
  { engine }: Parts,
  run: string,
  { verdict }: Stop,
  note: Renderer["note"],
): Promise<void> {
  try {
    // Stored first, so that a second signal cannot prevent the cancel.
    await engine.stop(run, verdict);
    note("Stopping the build and cleaning up; once more to leave at once");
  } catch (error) {
    note(`Cannot stop the build: ${messageOf(error)}`);
  }
}

function leftBehind(run: string): string {
  const removal = `docker rm -fv $(docker ps -aqf label=${LABELS.run}=${run})`;
  return `What may be left behind: the run's container, which the next "flutter-ci run" removes, or: ${removal}`;
}

function faultsOf(text: string | undefined): Faults {
  try {
    return parseFaults(text);
  } catch (error) {
    throw new InputError(`CONVEYOR_FAULT: ${messageOf(error)}`, { cause: error });
  }
}
