import {
  JetStreamApiCodes,
  type JetStreamManager,
  type MsgRequest,
  type StoredMsg,
} from "@nats-io/jetstream";
import { retry } from "../../base/retry.ts";
import { apiCode, inOurWords } from "./calls.ts";
import { resent } from "./resent.ts";

/**
 * Longest outage of the broker to wait for, milliseconds: longer than a cluster needs to elect its leaders.
 */
export const OUTAGE_MS = 30_000;

/**
 * Returns one message as the stream's leader has it, so that no confirmed message is missed; undefined if
 * there is none. Throws `Retryable`.
 */
export async function storedMessage(
  manager: JetStreamManager,
  stream: string,
  query: MsgRequest | { seq: number; next_by_subj: string },
): Promise<StoredMsg | undefined> {
  return await retry(async () => {
    try {
      return await resent(() => manager.streams.getMessage(stream, query as MsgRequest)) ?? undefined;
    } catch (cause) {
      if (apiCode(cause) === JetStreamApiCodes.NoMessageFound) return undefined;
      throw inOurWords(`read stream "${stream}"`, cause);
    }
  }, { forMs: OUTAGE_MS });
}
