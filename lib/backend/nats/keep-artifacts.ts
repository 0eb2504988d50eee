import { DiscardPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { formatSize } from "../../base/units.ts";
import { processLog } from "../../base/log.ts";
import { DEDUPE_WINDOW_MS } from "../transport.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import { isTooMuch } from "./calls.ts";

export interface Keeping {
  /** Older artifacts are removed, milliseconds. */
  readonly maxAgeMs: number;
  /** Above this total size, bytes, the oldest artifacts are removed. */
  readonly maxBytes: number;
}

/** Smallest useful size of the bucket, bytes. */
const LEAST_BYTES = 64 * 1024 ** 2;

/**
 * Limits the artifacts' bucket if no control plane of ours does: the broker then removes the oldest. If it
 * has too little room, half of `maxBytes` is tried, then half of that. Throws the client's errors.
 */
export async function keepArtifacts(
  manager: JetStreamManager,
  { maxAgeMs, maxBytes }: Keeping,
): Promise<void> {
  const { config } = await manager.streams.info(ARTIFACTS_STREAM);
  const max_age = maxAgeMs * 1e6;
  // The broker requires the deduplication window to be no longer than the maximum age.
  const duplicate_window = Math.min(DEDUPE_WINDOW_MS * 1e6, max_age);
  for (let bytes = maxBytes;; bytes = Math.floor(bytes / 2)) {
    const wanted = { max_age, duplicate_window, max_bytes: bytes, discard: DiscardPolicy.Old };
    const isSame = Object.entries(wanted).every(([key, value]) => Reflect.get(config, key) === value);
    if (isSame) return;
    try {
      await manager.streams.update(ARTIFACTS_STREAM, { ...config, ...wanted });
      if (bytes < maxBytes) {
        processLog("nats").warn("The broker has no room for {asked} of artifacts: keeps {given} of them", {
          asked: formatSize(maxBytes),
          given: formatSize(bytes),
        });
      }
      return;
    } catch (error) {
      if (!isTooMuch(error) || bytes / 2 < LEAST_BYTES) throw error;
    }
  }
}
