import type { JetStreamManager } from "@nats-io/jetstream";
import { UnavailableError } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { formatSize } from "../../base/units.ts";
import { MAX_MESSAGE_BYTES } from "../transport.ts";
import { apiCode, isStreamMissing, isTooMuch, NAME_IN_USE, NO_STORE } from "./calls.ts";

/** What each of our streams may take of the broker's storage, bytes. Together they are what the broker has for us. */
export interface StorageBounds {
  readonly messages: number;
  readonly "pipeline-engine": number;
  readonly "logs-engine": number;
  readonly artifacts: number;
  readonly dead: number;
}

/**
 * Shares of the storage. The first two carry events and results: nothing of weight (logs, artifacts) can take their room, so
 * that a run which fills the store is still reported and cleaned up after.
 */
const SHARES: StorageBounds = {
  messages: 0.15,
  "pipeline-engine": 0.1,
  "logs-engine": 0.3,
  artifacts: 0.4,
  dead: 0.05,
};
/** More than this is left to others where the broker sets no limit for our account. */
const MOST_BYTES = 512 * 1024 ** 3;
/** A quarter of it has to hold some events of the largest size. */
const LEAST_BYTES = 16 * MAX_MESSAGE_BYTES;
const MOST_DEAD_BYTES = 1024 ** 3;
/** The stream that finds out how much the server takes, and how long one lives at most, milliseconds. */
const PROBE = "conveyor-room";
const PROBE_MS = 10_000;
/** How much of what the server has left we take for ourselves. */
const OF_SERVER = 0.75;

/**
 * The shares of what the account may take; undefined where the broker sets it no limit. Throws `UnavailableError` where it has
 * too little for a control plane, else what the client throws.
 */
export async function accountBounds(
  manager: JetStreamManager,
  replicas: number,
): Promise<StorageBounds | undefined> {
  const account = await accountLimit(manager, replicas);
  return account && sharesOf(account.total, account.mostPerStream, {
    whose: "The broker's account",
    hint: "Raise max_file of the account's JetStream limits",
  });
}

/** The shares of what the server itself has left. Throws as `accountBounds`. */
export async function serverBounds(manager: JetStreamManager, replicas: number): Promise<StorageBounds> {
  return sharesOf(await serverLimit(manager, replicas), Infinity, {
    whose: "The broker",
    hint:
      "Raise max_file in the jetstream block of the nats-server's configuration, or make room on its disk",
  });
}

/** The share of artifacts where logs have theirs. */
export const artifactShare = (logs: number): number =>
  Math.floor(logs / SHARES["logs-engine"] * SHARES.artifacts);

function sharesOf(
  total: number,
  mostPerStream: number,
  { whose, hint }: { whose: string; hint: string },
): StorageBounds {
  if (total < LEAST_BYTES) {
    throw new UnavailableError(
      `${whose} has ${formatSize(total)} of storage for JetStream: expected ${
        formatSize(LEAST_BYTES)
      } at least`,
      { hint },
    );
  }
  const share = (name: keyof StorageBounds) => Math.floor(Math.min(total * SHARES[name], mostPerStream));
  return {
    messages: share("messages"),
    "pipeline-engine": share("pipeline-engine"),
    "logs-engine": share("logs-engine"),
    artifacts: share("artifacts"),
    dead: Math.min(share("dead"), MOST_DEAD_BYTES),
  };
}

/** What the account may take, for one copy of each stream; undefined without a limit. */
async function accountLimit(
  manager: JetStreamManager,
  replicas: number,
): Promise<{ total: number; mostPerStream: number } | undefined> {
  const info = await manager.getAccountInfo();
  const tier = info.tiers?.[`R${replicas}`];
  const { max_storage: total, storage_max_stream_bytes: perStream } = tier?.limits ?? info.limits;
  if (total <= 0) return undefined;
  return {
    // Without tiers each copy counts.
    total: tier ? total : total / replicas,
    mostPerStream: perStream > 0 ? perStream : Infinity,
  };
}

/**
 * What the server has for us where it sets the account no limit. It does not say (`max_file`, by default three quarters of its
 * disk), but refuses a stream that is larger.
 */
async function serverLimit(manager: JetStreamManager, replicas: number): Promise<number> {
  let total = MOST_BYTES / OF_SERVER;
  while (total >= LEAST_BYTES / 2 && !await hasRoomFor(manager, total, replicas)) total /= 2;
  // Between this and its double.
  for (let step = total / 2; step > total / 16; step /= 2) {
    if (total < MOST_BYTES && await hasRoomFor(manager, total + step, replicas)) total += step;
  }
  return Math.floor(total * OF_SERVER);
}

/**
 * Makes a stream of that size and removes it. It has one name for all, so that replicas that start together do not take each
 * other's room for none.
 */
async function hasRoomFor(manager: JetStreamManager, bytes: number, replicas: number): Promise<boolean> {
  const probe = { name: PROBE, subjects: [PROBE], max_bytes: Math.floor(bytes), num_replicas: replicas };
  for (;;) {
    try {
      await manager.streams.add(probe);
      await remove(manager);
      return true;
    } catch (error) {
      if (isTooMuch(error)) return false;
      if (![NAME_IN_USE, NO_STORE].includes(apiCode(error))) throw error;
    }
    await delay(10 + Math.random() * 20);
    await removeLeft(manager);
  }
}

/** Removes one whose maker was killed. */
async function removeLeft(manager: JetStreamManager): Promise<void> {
  try {
    const { created, ts } = await manager.streams.info(PROBE);
    if (Date.parse(ts ?? "") - Date.parse(created) > PROBE_MS) await remove(manager);
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
  }
}

async function remove(manager: JetStreamManager): Promise<void> {
  try {
    await manager.streams.delete(PROBE);
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
  }
}
