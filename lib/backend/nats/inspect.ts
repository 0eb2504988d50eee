import {
  type ConsumerInfo,
  type JetStreamManager,
  jetstreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { STREAMS } from "../../wire/subjects.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import { isConsumerMissing, isStreamMissing } from "./calls.ts";
import { connectNats, type NatsOptions } from "./connection.ts";
import { DEAD_STREAM } from "./dead.ts";
import { deniedIn } from "./denied.ts";
import { isConnectionRefused, isLoginRefused } from "./explain.ts";
import { OWNER_KEY } from "./streams.ts";
import { consumerInfo, type Denied, deniedOf, type Needs } from "./permissions.ts";

/** A program that works over the broker: `up`, or a driver. */
export interface Program {
  readonly name: string;
  readonly needs: Needs;
}

export interface StreamReport {
  readonly name: string;
  readonly state: "there" | "missing" | "hidden" | "unread";
  /** Why nothing is known of it: the login may not look at it (`hidden`), or an error (`unread`). */
  readonly why: string | undefined;
  readonly messages: number;
  readonly bytes: number;
  /** Undefined without a limit. */
  readonly maxBytes: number | undefined;
}

export interface ConsumerReport {
  readonly stream: string;
  readonly name: string;
  /** Messages that nobody has asked for yet, and those that somebody works on. */
  readonly pending: number;
  readonly inHand: number;
  /** Requests for messages that wait: none if no instance asks. */
  readonly asking: number;
}

/** `why`: the error. */
export interface UnreadConsumer extends Pick<ConsumerReport, "stream" | "name"> {
  readonly why: string;
}

export interface BrokerReport {
  readonly version: string;
  /** What each program would be denied with this login. */
  readonly denied: ReadonlyMap<string, Denied>;
  /** Why JetStream cannot be used; undefined if it can. */
  readonly noJetStream: string | undefined;
  /** Storage of the account; undefined if it is not known, `limit` without one. */
  readonly storage: { readonly used: number; readonly limit: number | undefined } | undefined;
  /** The installation whose streams these are; undefined if there is none or it is a Conveyor server's. */
  readonly owner: string | undefined;
  readonly streams: readonly StreamReport[];
  readonly consumers: readonly ConsumerReport[];
  /** Consumers that should be readable with this login and are not. */
  readonly unread: readonly UnreadConsumer[];
  /** The broker's clock minus ours, milliseconds; undefined if it did not tell. */
  readonly apartMs: number | undefined;
}

/**
 * Looks at a broker as each of the programs with this login would. Changes nothing. Throws as `connectNats`
 * if it cannot be reached.
 */
export async function inspectBroker(
  options: Omit<NatsOptions, "name">,
  programs: readonly Program[],
  clock: () => number,
): Promise<BrokerReport> {
  await using open = new AsyncDisposableStack();
  const denied = new Map<string, Denied>();
  let best: { connection: NatsConnection; count: number } | undefined;
  for (const { name, needs } of programs) {
    const connection = await connectNats({ ...options, name: `conveyor-${name}` });
    open.defer(() => connection.close());
    const found = await deniedOf(connection, needs);
    denied.set(name, found);
    // Without an inbox there are no answers.
    const isDeaf = found.listen.some((subject) => subject.startsWith("_INBOX."));
    const count = isDeaf ? Infinity : found.publish.length + found.listen.length;
    if (!best || count < best.count) best = { connection, count };
  }
  const version = best?.connection.info?.version ?? "";
  if (!best || best.count === Infinity) {
    return { ...EMPTY, version, denied, noJetStream: "the login may not listen for answers" };
  }
  const manager = await jetstreamManager(best.connection, { checkAPI: false, timeout: ANSWER_MS });
  // A consumer that only another login may look at is not this one's business.
  const isHidden = (stream: string, name: string) =>
    [...denied.values()].some(({ publish }) => publish.includes(consumerInfo(stream, name)));
  const drivers = programs.map(({ name }) => name).filter((name) => name !== "up");
  const readable = drivers.filter((name) => !isHidden("messages", name));
  return { ...await jetStreamReport(manager, readable, clock), version, denied };
}

const ANSWER_MS = 3000;

const EMPTY = {
  storage: undefined,
  owner: undefined,
  streams: [],
  consumers: [],
  unread: [],
  apartMs: undefined,
};

async function jetStreamReport(
  manager: JetStreamManager,
  drivers: readonly string[],
  clock: () => number,
): Promise<Omit<BrokerReport, "version" | "denied">> {
  let storage: BrokerReport["storage"];
  try {
    const { storage: used, limits } = await manager.getAccountInfo();
    storage = { used, limit: limits.max_storage > 0 ? limits.max_storage : undefined };
  } catch (error) {
    return { ...EMPTY, noJetStream: messageOf(error) };
  }
  const names = [...Object.keys(STREAMS), DEAD_STREAM, ARTIFACTS_STREAM];
  const found = await Promise.all(names.map(async (name) => ({ name, info: await infoOf(manager, name) })));
  const streams = found.map(({ name, info }) => reportOf(name, info));
  const messages = found.find(({ name }) => name === "messages")?.info;
  const { ts = "", config } = messages && !(messages instanceof Error) ? messages : {};
  const brokerTime = Date.parse(ts);
  return {
    noJetStream: undefined,
    storage,
    owner: config?.metadata?.[OWNER_KEY],
    streams,
    ...await consumersOf(manager, streams.filter(({ state }) => state === "there"), drivers),
    apartMs: Number.isNaN(brokerTime) ? undefined : brokerTime - clock(),
  };
}

/** Returns the stream's info, or the error if it cannot be read. */
async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | Error> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function reportOf(name: string, info: StreamInfo | Error): StreamReport {
  if (info instanceof Error) {
    const nothing = { name, why: undefined, messages: 0, bytes: 0, maxBytes: undefined };
    if (isStreamMissing(info)) return { ...nothing, state: "missing" };
    const denied = deniedIn(info);
    if (denied !== undefined) return { ...nothing, state: "hidden", why: denied };
    return { ...nothing, state: "unread", why: messageOf(info) };
  }
  const { state: { messages, bytes }, config: { max_bytes } } = info;
  const maxBytes = max_bytes > 0 ? max_bytes : undefined;
  return { name, state: "there", why: undefined, messages, bytes, maxBytes };
}

/**
 * Returns all consumers of the streams with work; those of the drivers only, if the login may not list them.
 */
async function consumersOf(
  manager: JetStreamManager,
  streams: readonly { name: string }[],
  drivers: readonly string[],
): Promise<Pick<BrokerReport, "consumers" | "unread">> {
  const consumers: ConsumerReport[] = [];
  const unread: UnreadConsumer[] = [];
  for (const stream of ["messages", "pipeline-engine"]) {
    if (!streams.some(({ name }) => name === stream)) continue;
    try {
      const found = await Array.fromAsync(manager.consumers.list(stream));
      consumers.push(...found.map((info) => consumerReport(stream, info)));
    } catch {
      for (const name of stream === "messages" ? drivers : ["pipeline-engine"]) {
        try {
          consumers.push(consumerReport(stream, await manager.consumers.info(stream, name)));
        } catch (error) {
          if (!isConsumerMissing(error)) unread.push({ stream, name, why: messageOf(error) });
        }
      }
    }
  }
  return { consumers, unread };
}

const consumerReport = (stream: string, info: ConsumerInfo): ConsumerReport => ({
  stream,
  name: info.name,
  pending: info.num_pending,
  inHand: info.num_ack_pending,
  asking: info.num_waiting,
});

/** What somebody without a password can do at a broker; `untried` if that is not known, with the reason. */
export type Exposure = "open" | "closed" | { readonly untried: string };

/**
 * Returns whether a broker takes a login without a password there, and lets it do any of what a program
 * needs.
 */
export async function exposureOf(
  server: string,
  { timeoutMs, ...tls }: Pick<NatsOptions, "tls" | "tlsFirst"> & { timeoutMs: number },
  programs: readonly Program[],
): Promise<Exposure> {
  try {
    const connection = await connectNats({ ...tls, servers: [server], name: "conveyor-doctor", timeoutMs });
    try {
      for (const { needs } of programs) {
        const { publish } = await deniedOf(connection, { ...needs, listen: [] });
        if (publish.length < needs.publish.length) return "open";
      }
      return "closed";
    } finally {
      await connection.close();
    }
  } catch (error) {
    const { cause } = error as Error;
    return isConnectionRefused(cause) || isLoginRefused(cause) ? "closed" : { untried: messageOf(error) };
  }
}
