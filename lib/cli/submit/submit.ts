import { randomUUID } from "node:crypto";
import type { ArtifactReader } from "../../backend/store.ts";
import { monotonicClock } from "../../base/clock.ts";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import { abortable, delay } from "../../base/signals.ts";
import { readAuthorities } from "../../build/authorities/flag.ts";
import { readSigners } from "../../build/signatures/flag.ts";
import { credentialHosts, gitTokenOf } from "../../build/git/git-token.ts";
import type { Pipeline } from "../../wire/resource.ts";
import { modeOf } from "../../wire/run.ts";
import type { Plan } from "../../build/plan.ts";
import type { RunEnded, RunEvent } from "../../engine/core/events.ts";
import { type Api, ApiAwayError, ExistsError } from "../shared/api/call.ts";
import { type ApiClient, apiClient } from "../shared/api/client.ts";
import { followRun } from "../shared/api/follow.ts";
import { Patience } from "../shared/api/patience.ts";
import { reachApi } from "../shared/api/reach-api.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { exitOfRun } from "../shared/exit-of-run.ts";
import { readGitTokens } from "../../build/git/git-access.ts";
import type { Renderer } from "../shared/render/renderer.ts";
import { type BuildRequest, buildRequest } from "../shared/request/build-request.ts";
import type { Operands } from "../shared/request/operands.ts";
import { checkOutput } from "../shared/save-artifacts.ts";
import { openSession } from "../shared/session.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { findPlane } from "../shared/runs/open-runs.ts";
import { showRun } from "../shared/show-run.ts";
import type { Stop } from "../../driver/program/stop/stop.ts";
import { type SubmitOptions, USUAL_API } from "./submit-flags.ts";

/** How long a control plane that was reached once may be unreachable: enough for a restart, milliseconds. */
const PATIENCE_MS = 120_000;
/**
 * The limit before it has taken the run, milliseconds: a server that breaks the connection may not be a
 * control plane at all.
 */
const START_PATIENCE_MS = 15_000;
const CANCEL_AGAIN_MS = 1000;

/**
 * Builds a repository through a control plane. Returns the exit code. Throws InputError if the build is
 * refused before it starts, and UnavailableError if the control plane cannot be reached.
 */
export async function submit(
  { operands, options }: { operands: Operands; options: SubmitOptions },
): Promise<number> {
  const run = randomUUID();
  await using session = openSession(options, {
    leftBehind: `What becomes of run ${run} is up to the control plane`,
  });
  const { renderer, signal } = session;
  const request = await abortable(requestOf(operands, options), signal);
  if (options.detach !== true && request.plan.spec.artifacts.length > 0) checkOutput(options.output);
  const secrets = { ...request.secrets, ...await gitTokensFor(request.plan, options) };
  const api = await abortable(planeOf(options), signal);
  const client = apiClient(api);
  try {
    await start(client, run, { ...request, secrets }, { signal, note: renderer.note });
    if (request.assumed !== undefined) renderer.note(request.assumed);
    if (options.detach) {
      process.stdout.write(options.json ? `${JSON.stringify({ run })}\n` : `${run}\n`);
      return EXIT.ok;
    }
    const patience = new Patience({
      clock: monotonicClock,
      patienceMs: PATIENCE_MS,
      hint: `The run goes on without us: ${run}`,
      onAway: (error) => renderer.note(`${error.message}; trying again`),
    });
    using _stopping = session.onStop((stop) => cancel(client, run, stop, renderer.note));
    const asked = { ...options, api: api.url };
    return exitOfRun(await show({ client, run, renderer, options: asked, patience }), session.stopped);
  } catch (error) {
    const { stopped } = session;
    if (stopped === undefined || error !== signal.reason) throw error;
    // The control plane may have taken the run even without an answer.
    await client.cancel(run, stopped.verdict.message).catch(() => {});
    renderer.note("Cancelled before it had begun");
    return stopped.exit;
  }
}

/** Returns the control plane that the flags name, else one that serves the data folder, else the usual. */
const planeOf = async (options: SubmitOptions): Promise<Api> =>
  await findPlane(options, environment) ?? await reachApi({ ...options, api: USUAL_API }, environment);

/** A build with the pipeline that is sent. */
interface SubmitRequest extends Omit<BuildRequest, "pipeline"> {
  readonly pipeline: Pipeline | string;
}

async function requestOf(operands: Operands, options: SubmitOptions): Promise<SubmitRequest> {
  const request = await buildRequest(options, operands, environment, {
    elsewhere: true,
    ca: (await readAuthorities(options))?.pem,
    verifySignatures: (await readSigners(options))?.text,
  });
  const pipeline = await pipelineOf(options) ?? request.storedPipeline;
  if (pipeline === undefined) return request;
  const name = typeof pipeline === "string" ? pipeline : pipeline.name;
  return { ...request, pipeline, resource: { ...request.resource, pipeline: name } };
}

async function pipelineOf({ pipeline: named }: SubmitOptions): Promise<Pipeline | string | undefined> {
  if (named === undefined) return undefined;
  const { readPipeline } = await import("./read-pipeline.ts");
  return await readPipeline(named);
}

/**
 * Returns the git tokens as secrets of the run: the one for the repository's host, and with submodules those
 * for other hosts too.
 */
async function gitTokensFor(
  { repository, spec: { submodules } }: Plan,
  { gitToken = [] }: SubmitOptions,
): Promise<Record<string, string>> {
  const own = credentialHosts(repository);
  const tokens = Object.entries(await readGitTokens(gitToken));
  const wanted = tokens.filter(([host]) => submodules || own.includes(host));
  return Object.fromEntries(wanted.map(([host, token]) => [gitTokenOf(host), token]));
}

/**
 * Submits the run, and again if the connection breaks before the answer: the id identifies it as the same
 * run.
 */
async function start(
  client: ApiClient,
  run: string,
  { resource, plan, pipeline, secrets }: SubmitRequest,
  { signal, note }: { signal: AbortSignal; note: Renderer["note"] },
): Promise<void> {
  const { timeout, restart } = plan.spec;
  const patience = new Patience({
    clock: monotonicClock,
    patienceMs: START_PATIENCE_MS,
    hint: `It may have taken the run all the same, and goes on with it then: ${run}`,
    onAway: (error) => note(`${error.message}; trying again`),
  });
  for (let wasCutOff = false;;) {
    try {
      return await client.submit({ run, resource, pipeline, timeout, restarts: restart, secrets }, {
        signal,
      });
    } catch (error) {
      // The run was taken and only the answer was lost.
      if (wasCutOff && error instanceof ExistsError) return;
      if (!(error instanceof ApiAwayError)) throw error;
      wasCutOff ||= error.isCutOff;
      if (!wasCutOff) {
        throw new UnavailableError(error.message, {
          cause: error.cause,
          hint: 'Start a control plane with "flutter-ci up", or say where it is with --api',
        });
      }
      await patience.bear(error);
    }
  }
}

/** Shows the run up to its end. Fetches its artifacts before it shows the end. */
async function show(
  { client, run, renderer, options, patience }: {
    client: ApiClient;
    run: string;
    renderer: Renderer;
    options: SubmitOptions;
    patience: Patience;
  },
): Promise<RunEnded> {
  const kept: RunEnded["artifacts"] = [];
  const events = followRun(() => client.events(run, { logs: options.quiet !== true }), patience);
  const artifacts: Pick<ArtifactReader, "list" | "open"> = {
    list: () => Promise.resolve(kept.map((artifact) => ({ ...artifact, mode: modeOf(artifact.mode) }))),
    async open(run, name) {
      const artifact = kept.find((artifact) => artifact.name === name);
      for (;;) {
        try {
          return artifact && await client.artifact(run, artifact);
        } catch (error) {
          await patience.bear(error);
        }
      }
    },
  };
  return await showRun(notingArtifacts(events, kept), renderer, {
    run,
    artifacts,
    output: options.output,
    showAgain: commandFor("show", run, options),
    saveAgain: commandFor("artifacts", run, options),
  });
}

async function* notingArtifacts(
  events: AsyncIterable<RunEvent>,
  kept: RunEnded["artifacts"],
): AsyncGenerator<RunEvent> {
  for await (const event of events) {
    if (event.type === "end") { for (const artifact of event.artifacts) kept.push(artifact); }
    yield event;
  }
}

async function cancel(
  client: ApiClient,
  run: string,
  { verdict }: Stop,
  note: Renderer["note"],
): Promise<void> {
  note("Stopping the build and cleaning up; once more to leave at once");
  for (;;) {
    try {
      return await client.cancel(run, verdict.message);
    } catch (error) {
      if (!(error instanceof ApiAwayError)) return note(`Cannot stop the build: ${messageOf(error)}`);
      // The loop that follows the run decides when to give up.
      await delay(CANCEL_AGAIN_MS);
    }
  }
}
