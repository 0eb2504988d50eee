import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { InputError } from "../../base/errors.ts";
import type { Delivery } from "../transport.ts";
import { inOurWords } from "./calls.ts";

export const ID_HEADER = "Nats-Msg-Id";
/** Prefix of the broker's own headers. */
const OWN_PREFIX = "Nats-";

/** A delivery's position, parsed from its ack subject (`$JS.ACK…`). */
export interface Place {
  readonly stream: string;
  readonly consumer: string;
  readonly deliveries: number;
  readonly streamSeq: number;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

export interface DeliveryPorts {
  /**
   * Sends an answer to the message's ack subject and waits for the broker's confirmation. If `repeatable`, it
   * may be sent twice.
   */
  answer(subject: string, payload: string, options: { repeatable: boolean }): Promise<unknown>;
  /** Stores a copy of a message before it is termed. */
  deadLetter(message: Msg, place: Place, reason: string): Promise<void>;
  /** The consumer of the delivery. */
  readonly consumer: {
    /** The ack wait as last read, milliseconds. */
    ackWaitMs(): number;
    /** Called with every heartbeat for the message. */
    onWorking(): void;
  };
}

export function deliveryOf(message: Msg, { answer, deadLetter, consumer }: DeliveryPorts): Delivery {
  const place = placeOf(message.reply ?? "");
  const what = `${place.consumer}'s message ${place.streamSeq}`;
  let ended = false;

  const end = async (verb: string, tell: () => Promise<unknown>): Promise<void> => {
    if (ended) return;
    ended = true;
    try {
      await tell();
    } catch (cause) {
      ended = false;
      throw inOurWords(`${verb} ${what}`, cause);
    }
  };
  const say = (payload: string, repeatable = true) => answer(message.reply ?? "", payload, { repeatable });

  return {
    subject: message.subject,
    data: message.data,
    id: idOf(message),
    headers: headersOf(message.headers),
    deliveries: place.deliveries,
    ...Number.isFinite(place.storedAt) && { storedAt: place.storedAt },
    get ackWaitMs() {
      return consumer.ackWaitMs();
    },
    ack: () => end("ack", () => say("+ACK")),
    nak: (delayMs = 0) =>
      // Not repeatable: a second nak would take the message from the instance that got it after the first.
      end("nak", () => say(delayMs > 0 ? `-NAK {"delay": ${Math.round(delayMs * 1e6)}}` : "-NAK", false)),
    term: (reason) =>
      end("term", async () => {
        const line = oneLine(reason);
        await deadLetter(message, place, line);
        await say(`+TERM ${line}`);
      }),
    working: async () => {
      if (ended) return;
      consumer.onWorking();
      try {
        await say("+WPI");
      } catch (cause) {
        throw inOurWords(`renew the lease of ${what}`, cause);
      }
    },
  };
}

/**
 * Returns the headers with that of the id; undefined if there are neither headers nor an id. Throws
 * `InputError` for invalid names and values.
 */
export function toHeaders(
  make: () => MsgHdrs,
  id: string | undefined,
  headers: Readonly<Record<string, string>>,
): MsgHdrs | undefined {
  const entries = Object.entries(headers);
  if (id === undefined && entries.length === 0) return undefined;
  const made = make();
  try {
    for (const [name, value] of entries) made.set(name, value);
    if (id !== undefined) made.set(ID_HEADER, id);
  } catch (cause) {
    throw new InputError("Cannot send headers: expected names of ASCII letters and values of one line", {
      cause,
    });
  }
  return made;
}

export const idOf = ({ headers }: Msg): string | undefined => headers?.get(ID_HEADER) || undefined;

export function headersOf(headers: MsgHdrs | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  if (!headers) return record;
  for (const [name, [value = ""]] of headers) if (!name.startsWith(OWN_PREFIX)) record[name] = value;
  return record;
}

/**
 * Parses an ack subject: `$JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>`, then
 * `.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]`.
 */
function placeOf(reply: string): Place {
  const tokens = reply.split(".");
  const [stream = "", consumer = "", deliveries, streamSeq, , nanos = ""] = tokens.slice(
    tokens.length === 9 ? 2 : 4,
  );
  return {
    stream,
    consumer,
    deliveries: Number(deliveries),
    streamSeq: Number(streamSeq),
    storedAt: nanos.length > 6 ? Number(nanos.slice(0, -6)) : NaN,
  };
}

/** Reduces a reason to one line of at most 1,000 characters, for a header and the broker's advisory. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\s\u0000-\u001f\u007f]+/g, " ").trim().slice(0, 1000);
}
