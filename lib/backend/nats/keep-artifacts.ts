import { DiscardPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { formatSize } from "../../base/units.ts";
import { processLog } from "../../base/log.ts";
import { DEDUPE_WINDOW_MS } from "../transport.ts";
import { ARTIFACTS_STREAM } from "./blobs.ts";
import { isTooMuch } from "./calls.ts";

export interface Keeping {
  /** Older ones are removed, milliseconds. */
  readonly maxAgeMs: number;
  /** Past that many bytes, the oldest are removed. */
  readonly maxBytes: number;
}

/** A bucket that takes less than that is of no use. */
const LEAST_BYTES = 64 * 1024 ** 2;

/**
 * Bounds the bucket of artifacts, where no control plane of ours does: the broker itself then removes the oldest. A broker that
 * has less room than asked for gives half of it, or half of that. Throws what the client throws.
 */
export async function keepArtifacts(
  manager: JetStreamManager,
  { maxAgeMs, maxBytes }: Keeping,
): Promise<void> {
  const { config } = await manager.streams.info(ARTIFACTS_STREAM);
  const max_age = maxAgeMs * 1e6;
  // Ids cannot be remembered for longer than messages are kept.
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
