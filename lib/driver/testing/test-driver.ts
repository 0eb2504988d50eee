import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Embedded, openEmbedded } from "../../backend/embedded/embedded.ts";
import { parseOwnJson } from "../../base/json.ts";
import { startInterval, stopTimer } from "../../base/timers.ts";
import type { Docker } from "../../docker/docker.ts";
import type { Transport } from "../../backend/transport.ts";
import { type ClaimReply, ClaimRequest } from "../../wire/claim.ts";
import { HEADERS } from "../../wire/headers.ts";
import { type LogStream, PipelineEvent } from "../../wire/messages.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import type { Driver, DriverSettings } from "../driver.ts";
import { startInstance } from "../instance.ts";
import { type RealContainer, realContainer } from "./real-container.ts";
import { type ContainerScript, scriptedDocker, withoutContainers } from "./scripted-docker.ts";
import { testSettings } from "./test-settings.ts";

/** Input of a test; all of it is optional. */
export interface TestOptions {
  /** The driver's input: the whole spec of its own resource types, otherwise its part of another driver's. */
  readonly spec?: unknown;
  /** The rest of the resource; its `spec` is merged with the driver's part. */
  readonly resource?: { readonly name?: string; readonly type?: string; readonly spec?: object };
  /** `create` (default), `update` or `delete`. */
  readonly event?: string;
  /** Results of earlier drivers of the run, by name. */
  readonly results?: Readonly<Record<string, Partial<DriverResult>>>;
  /** Masked in all output, as in a real run. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** The operator's policy, by the names of its fields; missing fields have their defaults. */
  readonly policy?: object;
  /** What every driver's program has flags for: grace period, limits of log and artifacts. */
  readonly settings?: Partial<Omit<DriverSettings, "owner">>;
  /**
   * What an attempt that was lost has passed to `again` or `keepProgress`: the test is then the attempt after
   * it.
   */
  readonly progress?: unknown;
  /** The run's container: scripted, or a real one. By default there is none. */
  readonly container?: ContainerScript | RealContainer;
  /** Cancels the step. */
  readonly signal?: AbortSignal;
  /** The step's time limit, milliseconds (default: none). */
  readonly timeoutMs?: number;
}

export interface TestedLine {
  readonly stream: LogStream;
  readonly message: string;
}

/** The outcome of a test. */
export interface Tested {
  readonly success: boolean;
  readonly message: string;
  /** As sent: converted to JSON, with secrets masked, and with `reason` if the step has failed. */
  readonly data: Record<string, unknown>;
  /** `data.reason`. */
  readonly reason: string | undefined;
  /** The step's log as stored. */
  readonly log: readonly TestedLine[];
  /** What the driver has stored last with `again` or `keepProgress`; undefined if nothing. */
  readonly progress: unknown;
  /** Stored artifacts, by name. */
  readonly artifacts: Readonly<Record<string, Uint8Array>>;
}

const OWNER = "test-driver";
/** How often a driver is nudged to renew its claim after the cancel, milliseconds. */
const NUDGE_MS = 20;
const MOST_LINES = 100_000;
/** A test does not wait for what a driver's program waits for, milliseconds. */
const RETRY_MS = 1;

/**
 * Runs one step of a driver in the real runtime: the event is sent over a transport, the secrets arrive with
 * the claim, and result, log and artifacts are read from the store. Needs no broker, no server, and no Docker
 * unless `container` names an image.
 *
 * ```ts
 * const { success, log } = await testDriver(report, {
 *   spec: { path: "out.xml" },
 *   container: { files: { "out.xml": "<testsuites/>" } },
 * });
 * ```
 */
export async function testDriver(driver: Driver, options: TestOptions = {}): Promise<Tested> {
  await using opening = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "test-driver-"));
  opening.defer(() => rm(folder, { recursive: true, force: true }));
  const run = randomUUID();
  const embedded = opening.use(await openEmbedded({ folder, scope: run }));
  const { transport } = embedded;
  const engine = opening.use(await playEngine(transport, options));
  const docker = opening.use(await dockerOf(options, run));
  const settings = { ...testSettings(OWNER), ...options.settings };
  const policy = await driver.policy?.parseAsync(options.policy ?? {});
  const instance = opening.use(
    startInstance({ driver, policy, transport, docker, settings, claimsOnly: true, retryMs: RETRY_MS }),
  );
  await instance.ready;
  // A driver that is just starting may miss the first nudge.
  const nudging = startInterval(() => {
    if (options.signal?.aborted) transport.broadcast(subjects.nudge(run), "").catch(() => {});
  }, NUDGE_MS);
  opening.defer(() => stopTimer(nudging));
  await transport.publish(
    subjects.step(driver.name, typeOf(driver, options)),
    eventOf(driver, run, options),
    {
      id: `${run}/${driver.name}/1`,
      headers: { [HEADERS.claims]: "1", [HEADERS.step]: driver.name },
    },
  );
  const result = await firstResult(transport);
  return { ...await testedBy(embedded, run, result), progress: engine.progress };
}

/**
 * Replaces the engine: grants every attempt until the test cancels the step, and keeps the step's progress.
 */
async function playEngine(
  transport: Transport,
  { secrets = {}, timeoutMs, signal, progress }: TestOptions,
): Promise<AsyncDisposable & { readonly progress: unknown }> {
  let attempts = progress === undefined ? 0 : 1;
  let kept = progress === undefined ? undefined : JSON.stringify(progress);
  const serving = await transport.serve(subjects.claims, ({ data }) => {
    const { attempt, progress } = ClaimRequest.parse(parseOwnJson(Buffer.from(data).toString()));
    kept = progress ?? kept;
    if (signal?.aborted && attempt !== undefined) return replying({ answer: "stop", reason: "cancelled" });
    return replying({
      ...{ answer: "go", attempt: attempt ?? ++attempts, secrets, progress: kept },
      ...timeoutMs !== undefined && { remainingMs: timeoutMs },
    });
  });
  return {
    get progress() {
      return parseOwnJson(kept ?? "null") ?? undefined;
    },
    [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose](),
  };
}

const replying = (reply: ClaimReply): Promise<string> => Promise.resolve(JSON.stringify(reply));

async function dockerOf({ container }: TestOptions, run: string): Promise<Docker> {
  const owned = { owner: OWNER, run };
  if (container === undefined) return withoutContainers();
  return "image" in container ? await realContainer(container, owned) : scriptedDocker(container, owned);
}

const typeOf = (driver: Driver, { resource }: TestOptions): string =>
  resource?.type ?? driver.resources[0] ?? "";

function eventOf(driver: Driver, run: string, options: TestOptions): string {
  const { spec = {}, resource = {}, event = "create", results = {} } = options;
  const part = { drivers: { ...member(resource.spec, "drivers"), [driver.name]: spec } };
  const metadata = Object.fromEntries(
    Object.entries(results).map(([name, result]) => [
      `driverresults.${name}`,
      JSON.stringify({ success: true, message: "", ...result, driver: name }),
    ]),
  );
  const payload = JSON.stringify({
    id: randomUUID(),
    name: resource.name ?? "app",
    resource: typeOf(driver, options),
    pipeline: "test",
    metadata,
    spec: { ...resource.spec, ...driver.part ? part : Object(spec) },
  });
  return JSON.stringify({ event, payload, id: randomUUID(), run_id: run });
}

async function firstResult(transport: Transport): Promise<DriverResult> {
  const ending = new AbortController();
  const spec = {
    stream: "pipeline-engine",
    name: consumers.engine,
    filters: [subjects.pipelines],
    ackWaitMs: 30_000,
  } as const;
  for await (const delivery of transport.consume(spec, { signal: ending.signal })) {
    await delivery.ack();
    return PipelineEvent.parse(parseOwnJson(Buffer.from(delivery.data).toString())).driverresult;
  }
  throw new Error("The driver has not answered");
}

async function testedBy(
  { store }: Embedded,
  run: string,
  result: DriverResult,
): Promise<Omit<Tested, "progress">> {
  const lines = await store.logs.tail(run, MOST_LINES);
  const artifacts: Record<string, Uint8Array> = {};
  for (const { name } of await store.artifacts.list(run)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await store.artifacts.open(run, name) ?? []) chunks.push(chunk);
    artifacts[name] = Buffer.concat(chunks);
  }
  const { success, message, data } = result;
  const facts: Record<string, unknown> = typeof data === "object" && data !== null ? { ...data } : {};
  return {
    success,
    message,
    data: facts,
    reason: typeof facts.reason === "string" ? facts.reason : undefined,
    log: lines.map(({ stream = "system", message }) => ({ stream, message })),
    artifacts,
  };
}

function member(value: object | undefined, key: string): object {
  const found: unknown = value && Reflect.get(value, key);
  return typeof found === "object" && found !== null ? found : {};
}
