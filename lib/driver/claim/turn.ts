import type { Transport } from "../../backend/transport.ts";
import { Retryable } from "../../base/errors.ts";
import { backOff, retry } from "../../base/retry.ts";
import { delay } from "../../base/signals.ts";
import type { ClaimReply } from "../../wire/claim.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Outcome } from "../report/outcome.ts";
import type { Driver } from "../driver.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";

/** The right to work on an event that no engine grants, one instance at a time. */
export interface Turn {
  /** Answers as an engine would: `go`, or `stop` where another instance has taken over. Throws `Retryable`. */
  renew(): Promise<ClaimReply>;
  /** The next delivery may have it at once. Best effort: without it, after a moment. */
  letGo(): Promise<void>;
  /** The event is settled: no instance begins it again. Best effort. */
  done(): Promise<void>;
}

/** What it takes to take turns. */
export interface TurnServices {
  readonly transport: Transport;
  readonly driver: Pick<Driver, "name" | "exclusive">;
  /** This process, and no other. */
  readonly instance: string;
}

const FREE = "";
const DONE = "done";
/** How others read what the turns of an event have come to. */
export const markOf = {
  free: FREE,
  done: DONE,
  name: (driver: string, run: string, event: string) => `${driver}/${run}/${event}`,
};
/** An instance that is alive and connected answers a nudge at once; one that has just lost its broker needs a moment. */
const LONGEST_GRACE_MS = 3000;
/** Between two tries to begin what another instance is at, milliseconds. */
const LONGEST_WAIT_MS = 600_000;

/**
 * Takes an event that has no claims. A Conveyor server's event may be stored twice, and one whose instance was cut off comes
 * again while that instance still works. Whoever comes second asks the first for a sign of life: with one, or when the event
 * has only just come, it is put off; without, it is taken over, and the first hears of that when it is back. Throws
 * `Retryable`.
 */
export async function takeTurn(held: EventInHand, services: TurnServices): Promise<Turn | Outcome> {
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
 * How long what somebody is at already is put off, milliseconds: longer each time, since deliveries are all that an event
 * without claims is counted by, and one of many counts as given up.
 */
export function putOffMs({ delivery, heartbeatMs }: EventInHand): number {
  return backOff(delivery.deliveries, heartbeatMs(), LONGEST_WAIT_MS);
}

function turnOf(mark: Mark, instance: string, attempt: number): Turn {
  const keep = async (text: string): Promise<boolean> => {
    while (!await mark.write(text)) {
      if (mark.text !== undefined && mark.text !== instance) return false;
    }
    return true;
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

/** A text under a name for all instances to see, as it was last seen here. */
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

  /** Writes over what was last seen; false where something else stands there by now, which is seen then. */
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
