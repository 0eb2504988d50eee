import type { Delivery, Transport } from "../../../lib/backend/transport.ts";
import { ClaimReply, type ClaimRequest, renewalProof } from "../../../lib/wire/claim.ts";
import { HEADERS } from "../../../lib/wire/headers.ts";
import { ids } from "../../../lib/wire/ids.ts";
import { DriverMessage } from "../../../lib/wire/messages.ts";
import type { DriverResult, Resource } from "../../../lib/wire/resource.ts";
import { digestOf, signed } from "../../../lib/wire/signature.ts";
import { consumers, subjects } from "../../../lib/wire/subjects.ts";
import { again } from "../../support/again.ts";
import { TYPE } from "./runs.ts";

/** The argument of `work`. */
export interface Job {
  readonly run: string;
  readonly step: string;
  readonly attempt: number;
  readonly event: string;
  readonly resource: Resource;
  readonly secrets: Readonly<Record<string, string>>;
  readonly remainingMs: number | undefined;
  readonly traceparent: string | undefined;
  /** The key that signs its results. */
  readonly key: string;
  readonly delivery: Delivery;
  /** Stores one line of the log. */
  log(message: string): Promise<void>;
  /** Asks for the claim again. */
  renew(): Promise<ClaimReply>;
  /** Reports that this attempt ends without a result. */
  letGo(): Promise<ClaimReply>;
}

export interface ScriptOptions {
  /** Default: the driver's name. */
  readonly instance?: string;
  /** A host, whose consumer it uses beside the shared one. */
  readonly host?: string;
  readonly ackWaitMs?: number;
  /** The type of its resources. */
  readonly type?: string;
}

/**
 * Starts a driver that speaks the wire: it claims, calls `work`, publishes the result, and acks. If `work`
 * returns undefined, it dies: there is neither a result nor an ack.
 */
export async function scriptedDriver(
  transport: Transport,
  driver: string,
  work: (job: Job) => Promise<DriverResult | undefined> | DriverResult | undefined,
  { instance = driver, host, ackWaitMs = 30_000, type = TYPE }: ScriptOptions = {},
): Promise<AsyncDisposable> {
  const stopping = new AbortController();
  const specs = [
    { name: consumers.shared(driver), filters: [subjects.step(driver, type)] },
    ...(host === undefined
      ? []
      : [{ name: consumers.onHost(driver, host), filters: [subjects.stepOnHost(driver, host, type)] }]),
  ].map((spec) => ({ stream: "messages", ackWaitMs, ...spec }) as const);
  for (const spec of specs) await again(() => transport.ensureConsumer(spec));
  const loops = specs.map(async (spec) => {
    for await (const delivery of transport.consume(spec, { signal: stopping.signal })) await handle(delivery);
  });
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await Promise.all(loops);
    },
  };

  async function handle(delivery: Delivery): Promise<void> {
    const message = DriverMessage.parse(JSON.parse(new TextDecoder().decode(delivery.data)));
    const resource: Resource = JSON.parse(String(message.payload));
    const run = message.run_id;
    const step = delivery.headers[HEADERS.step] ?? "";
    const request = {
      step,
      event: delivery.id ?? "",
      delivery: delivery.deliveries,
      instance,
      host: host ?? "h",
      digest: digestOf(delivery.data),
    };
    const ask = (changes = {}) => again(() => claim(run, { ...request, ...changes }));
    const reply = await ask();
    if (reply.answer === "wait") return await again(() => delivery.nak(reply.retryMs));
    if (reply.answer !== "go") return await again(() => delivery.ack());
    const { attempt, secrets = {}, remainingMs, key = "", traceparent } = reply;
    const askAgain = (more: Partial<ClaimRequest>) => {
      const renewal = { ...request, attempt, nonce: crypto.randomUUID(), ...more };
      return ask({ ...renewal, proof: renewalProof(key, renewal) }).then(withoutMac);
    };
    const publish = (subject: string, data: string, id: string, headers: Record<string, string>) =>
      again(() =>
        transport.publish(subject, data, { id, headers: signed(key, { subject, id, headers }, data) })
      );
    let line = 1;
    const result = await work({
      run,
      step,
      attempt,
      event: message.event,
      resource,
      secrets,
      remainingMs,
      traceparent,
      key,
      delivery,
      renew: () => askAgain({}),
      letGo: () => askAgain({ letsGo: true }),
      log: async (text) => {
        const first = line++;
        await publish(
          subjects.logs(run),
          logLine(run, driver, step, text),
          ids.logBatch(run, step, attempt, first),
          { [HEADERS.step]: step, [HEADERS.attempt]: String(attempt), [HEADERS.lines]: "1" },
        );
      },
    });
    if (!result) return;
    await again(() => sendResult(transport, { run, step, attempt, resource, key }, driver, result));
    await again(() => delivery.ack());
  }

  async function claim(run: string, request: unknown): Promise<ClaimReply> {
    const answer = await transport.request(subjects.claim(run, driver), JSON.stringify(request), {
      timeoutMs: 500,
    });
    return ClaimReply.parse(JSON.parse(new TextDecoder().decode(answer)));
  }
}

/** Publishes a result signed with the attempt's key. */
export async function sendResult(
  transport: Transport,
  { run, step, attempt, resource, key }: Pick<Job, "run" | "step" | "attempt" | "resource" | "key">,
  driver: string,
  result: DriverResult,
  id = ids.result(run, step, attempt),
): Promise<void> {
  const headers = { [HEADERS.step]: step, [HEADERS.attempt]: String(attempt) };
  const data = resultEvent(run, resource, driver, result);
  const subject = subjects.result;
  await transport.publish(subject, data, { id, headers: signed(key, { subject, id, headers }, data) });
}

function withoutMac({ mac: _mac, ...reply }: ClaimReply): ClaimReply {
  return reply;
}

export function resultEvent(run: string, resource: Resource, driver: string, result: DriverResult): string {
  return JSON.stringify({
    event: "driver.result",
    run_id: run,
    resource,
    driverresult: { data: null, ...result, driver },
  });
}

export function logLine(run: string, driver: string, step: string, message: string): string {
  const timestamp = new Date().toISOString();
  return `${JSON.stringify({ runid: run, driver, timestamp, message, step, stream: "stdout" })}\n`;
}
