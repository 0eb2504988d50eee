import type { Transport } from "../../backend/transport.ts";
import { Retryable } from "../../base/errors.ts";
import { backOff, retry } from "../../base/retry.ts";
import { delay } from "../../base/signals.ts";
import type { ClaimReply } from "../../wire/claim.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Disposition } from "../report/disposition.ts";
import type { Driver } from "../driver.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";

/** The right to work on an event without claims, one instance at a time. */
export interface Turn {
  /** Answers as an engine would: `go`, or `stop` if another instance has taken over. Throws `Retryable`. */
  renew(): Promise<ClaimReply>;
  /** Lets the next delivery start at once. Best effort: otherwise it takes over after a short wait. */
  letGo(): Promise<void>;
  /** Marks the event as settled, so that no instance starts it again. Best effort. */
  done(): Promise<void>;
}

/** What `takeTurn` needs. */
export interface TurnServices {
  readonly transport: Transport;
  readonly driver: Pick<Driver, "name" | "exclusive">;
  /** Unique to this process. */
  readonly instance: string;
}

const FREE = "";
const DONE = "done";
/** The values and the name of an event's mark, for other readers. */
export const markOf = {
  free: FREE,
  done: DONE,
  name: (driver: string, run: string, event: string) => `${driver}/${run}/${event}`,
};
/**
 * The longest wait for an answer to a nudge: a live instance answers at once, but one that is reconnecting
 * needs a moment.
 */
const LONGEST_GRACE_MS = 3000;
/** The longest delay before retrying an event that another instance holds, milliseconds. */
const LONGEST_WAIT_MS = 600_000;

/**
 * Takes an event without claims. A Conveyor server may store an event twice, and an event whose instance lost
 * its connection is redelivered while that instance still works. A second instance nudges the first. If it
 * answers (or this is the first delivery) the event is postponed; otherwise it is taken over, and the first
 * learns that on its next renewal. Throws `Retryable`.
 */
export async function takeTurn(held: EventInHand, services: TurnServices): Promise<Turn | Disposition> {
  const { delivery, facts, heartbeatMs } = held;
  const { transport, driver, instance } = services;
  const mark = new Mark(transport, markOf.name(driver.name, facts.run, facts.id));
  const turn = turnOf(mark, instance, delivery.deliveries);
  for (;;) {
    if (mark.text === DONE) return { kind: "drop", why: "Another instance has settled it" };
    if (mark.text === undefined || mark.text === FREE || mark.text === instance) {
      if (await mark.write(instance)) return turn;
      continue;
    }
    const { revision } = mark;
    await transport.broadcast(subjects.nudge(facts.run), "");
    await delay(Math.min(heartbeatMs(), LONGEST_GRACE_MS));
    await mark.read();
    const isSilent = mark.revision === revision;
    if (isSilent && delivery.deliveries > 1 && await mark.write(instance)) return turn;
    if (mark.text !== DONE && mark.text !== FREE) {
      return { kind: "later", delayMs: putOffMs(held), why: "Another instance works on it" };
    }
  }
}

/**
 * Delay before retrying an event that another instance holds, milliseconds; grows with each delivery so that
 * the event is not given up.
 */
export function putOffMs({ delivery, heartbeatMs }: EventInHand): number {
  return backOff(delivery.deliveries, heartbeatMs(), LONGEST_WAIT_MS);
}

function turnOf(mark: Mark, instance: string, attempt: number): Turn {
  const isOurs = () => mark.text === undefined || mark.text === instance;
  const keep = async (text: string): Promise<boolean> => {
    while (isOurs()) if (await mark.write(text)) return true;
    return false;
  };
  const end = async (text: string) => {
    try {
      await retry(() => keep(text));
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
    }
  };
  return {
    renew: async () =>
      await keep(instance) ? { answer: "go", attempt } : { answer: "stop", reason: "driver-lost" },
    letGo: () => end(FREE),
    done: () => end(DONE),
  };
}

/** A named text that all instances share, as last seen by this one. */
class Mark {
  readonly #transport: Transport;
  readonly #name: string;
  text: string | undefined;
  revision = 0;

  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#name = name;
  }

  async read(): Promise<void> {
    const found = await this.#transport.readMark(this.#name);
    this.text = found?.text;
    this.revision = found?.revision ?? 0;
  }

  /** Replaces the text last seen. Returns false if it has changed meanwhile, and reads the new one. */
  async write(text: string): Promise<boolean> {
    const written = await this.#transport.writeMark(this.#name, text, this.revision);
    if (written === undefined) {
      await this.read();
      return false;
    }
    this.text = text;
    this.revision = written;
    return true;
  }
}
