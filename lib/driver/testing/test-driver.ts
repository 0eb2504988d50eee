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
import type { Driver } from "../driver.ts";
import { startInstance } from "../instance.ts";
import { type RealContainer, realContainer } from "./real-container.ts";
import { type ContainerScript, scriptedDocker, withoutContainers } from "./scripted-docker.ts";
import { testSettings } from "./test-settings.ts";

/** What the driver is given. Everything may be left out. */
export interface TestOptions {
  /** The driver's own input: the whole spec of its own resource types, else its part of somebody else's. */
  readonly spec?: unknown;
  /** The rest of the resource; `spec` there stands beside the driver's part. */
  readonly resource?: { readonly name?: string; readonly type?: string; readonly spec?: object };
  /** `create` (default), `update` or `delete`. */
  readonly event?: string;
  /** What earlier drivers of the run have answered, by name. */
  readonly results?: Readonly<Record<string, Partial<DriverResult>>>;
  /** Masked in all that comes out, as in a real run. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What the operator allows, by the names of the policy's fields; the rest is as without flags. */
  readonly policy?: object;
  /** The run's container: played by a script, or a real one. Without it there is none. */
  readonly container?: ContainerScript | RealContainer;
  /** Cancels the step. */
  readonly signal?: AbortSignal;
  /** How long the step may take, milliseconds (default: without limit). */
  readonly timeoutMs?: number;
}

export interface TestedLine {
  readonly stream: LogStream;
  readonly message: string;
}

/** What has come of it. */
export interface Tested {
  readonly success: boolean;
  readonly message: string;
  /** As it travels: through JSON, with secrets masked, and with `reason` where the step has failed. */
  readonly data: Record<string, unknown>;
  /** `data.reason`. */
  readonly reason: string | undefined;
  /** The step's log, as it is stored. */
  readonly log: readonly TestedLine[];
  /** Files that were kept, by name. */
  readonly artifacts: Readonly<Record<string, Uint8Array>>;
}

const OWNER = "test-driver";
/** How often a cancelled driver is told to ask whether it may go on, milliseconds. */
const NUDGE_MS = 20;
const MOST_LINES = 100_000;

/**
 * Does one step with a driver, as the runtime does it: its event goes over a transport, its secrets come with the claim, its result, log
 * and artifacts are read back from where they are stored. Needs no broker, no server, and no Docker unless `container` names an image.
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
  opening.use(await serveClaims(transport, options));
  const docker = opening.use(await dockerOf(options, run));
  const settings = testSettings(OWNER);
  const policy = await driver.policy?.parseAsync(options.policy ?? {});
  const instance = opening.use(
    startInstance({ driver, policy, transport, docker, settings, claimsOnly: true }),
  );
  await instance.ready;
  // A driver that has just begun may not hear the first.
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
  return await testedBy(embedded, run, await firstResult(transport));
}

/** In the place of the engine: grants every attempt, until the test cancels the step. */
async function serveClaims(
  transport: Transport,
  { secrets = {}, timeoutMs, signal }: TestOptions,
): Promise<AsyncDisposable> {
  let attempts = 0;
  return await transport.serve(subjects.claims, ({ data }) => {
    const { attempt } = ClaimRequest.parse(parseOwnJson(Buffer.from(data).toString()));
    const granted = { answer: "go", attempt: attempt ?? ++attempts, secrets } as const;
    const reply: ClaimReply = signal?.aborted && attempt !== undefined
      ? { answer: "stop", reason: "cancelled" }
      : { ...granted, ...timeoutMs !== undefined && { remainingMs: timeoutMs } };
    return Promise.resolve(JSON.stringify(reply));
  });
}

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

async function testedBy({ store }: Embedded, run: string, result: DriverResult): Promise<Tested> {
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
