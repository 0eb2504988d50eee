import type { JetStreamManager } from "@nats-io/jetstream";
import { UnavailableError } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { formatSize } from "../../base/units.ts";
import { MAX_MESSAGE_BYTES } from "../transport.ts";
import { apiCode, isStreamMissing, isTooMuch, NAME_IN_USE, NO_STORE } from "./calls.ts";

/** Maximum size of each of our streams, bytes. Together they are the storage that the broker has for us. */
export interface StorageBounds {
  readonly messages: number;
  readonly "pipeline-engine": number;
  readonly "logs-engine": number;
  readonly artifacts: number;
  readonly dead: number;
}

/**
 * Share of each stream. `messages` and `pipeline-engine` carry events and results: logs and artifacts cannot
 * use up their room, so a run that fills the storage is still reported and cleaned up.
 */
const SHARES: StorageBounds = {
  messages: 0.15,
  "pipeline-engine": 0.1,
  "logs-engine": 0.3,
  artifacts: 0.4,
  dead: 0.05,
};
/** Upper limit of our total if the broker sets no limit for the account, bytes. */
const MOST_BYTES = 512 * 1024 ** 3;
/** Lower limit of our total, bytes: a quarter of it must hold some events of the largest size. */
const LEAST_BYTES = 16 * MAX_MESSAGE_BYTES;
const MOST_DEAD_BYTES = 1024 ** 3;
/**
 * The stream that measures the server's free storage, and the age in milliseconds at which a leftover one is
 * removed.
 */
const PROBE = "conveyor-room";
const PROBE_MS = 10_000;
/** Share of the server's free storage that we use. */
const OF_SERVER = 0.75;

/**
 * Splits the account's storage into shares; undefined if the account has no limit. Throws `UnavailableError`
 * if it is too small for a control plane, else the client's errors.
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

/** Splits the server's free storage into shares. Throws as `accountBounds`. */
export async function serverBounds(manager: JetStreamManager, replicas: number): Promise<StorageBounds> {
  return sharesOf(await serverLimit(manager, replicas), Infinity, {
    whose: "The broker",
    hint:
      "Raise max_file in the jetstream block of the nats-server's configuration, or make room on its disk",
  });
}

/** Derives the artifacts' share from that of the logs, bytes. */
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

/** Returns the account's storage for one copy of each stream; undefined without a limit. */
async function accountLimit(
  manager: JetStreamManager,
  replicas: number,
): Promise<{ total: number; mostPerStream: number } | undefined> {
  const info = await manager.getAccountInfo();
  const tier = info.tiers?.[`R${replicas}`];
  const { max_storage: total, storage_max_stream_bytes: perStream } = tier?.limits ?? info.limits;
  if (total <= 0) return undefined;
  return {
    // Without tiers every replica counts against the limit.
    total: tier ? total : total / replicas,
    mostPerStream: perStream > 0 ? perStream : Infinity,
  };
}

/**
 * Measures the server's storage for an account without a limit. The server does not report it (`max_file`, by
 * default three quarters of its disk), but refuses a stream that is larger.
 */
async function serverLimit(manager: JetStreamManager, replicas: number): Promise<number> {
  let total = MOST_BYTES / OF_SERVER;
  while (total >= LEAST_BYTES / 2 && !await hasRoomFor(manager, total, replicas)) total /= 2;
  // The limit is between `total` and twice that.
  for (let step = total / 2; step > total / 16; step /= 2) {
    if (total < MOST_BYTES && await hasRoomFor(manager, total + step, replicas)) total += step;
  }
  return Math.floor(total * OF_SERVER);
}

/**
 * Creates a stream of that size and deletes it. The name is the same for all, so that replicas which start
 * together do not measure each other's reservation.
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

/** Removes a leftover probe stream whose creator was killed. */
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
