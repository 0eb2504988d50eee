import { processLog } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";
import { delay } from "../base/signals.ts";
import type { Docker } from "../docker/docker.ts";
import { LABELS } from "./labels.ts";

/** How often to look without a change event, milliseconds: disk and memory change without one. */
const EVERY_MS = 2000;

/**
 * Calls `look` until it returns a value: at once, on each change of a container of the owner, and every
 * `everyMs` milliseconds. Throws what `look` throws, and `signal.reason`.
 */
export async function lookUntil<T>(
  docker: Docker,
  owner: string,
  look: () => Promise<T | undefined>,
  { signal, everyMs = EVERY_MS }: { signal: AbortSignal; everyMs?: number },
): Promise<T> {
  const first = await look();
  if (first !== undefined) return first;
  // Read before the next look, so that no change between the two is missed.
  const sinceMs = await docker.now({ signal });
  const leaving = new AbortController();
  const listening = AbortSignal.any([signal, leaving.signal]);
  const changed = { once: Promise.withResolvers<void>() };
  const notify = () => changed.once.resolve();
  const hearing = hear(docker, owner, { sinceMs, signal: listening, everyMs, notify });
  try {
    for (;;) {
      changed.once = Promise.withResolvers();
      const change = changed.once.promise;
      const found = await look();
      if (found !== undefined) return found;
      await Promise.race([change, delay(everyMs, { signal: listening })]);
    }
  } finally {
    leaving.abort(new Error("Nobody looks any more"));
    await hearing;
  }
}

/**
 * Calls `notify` at every change until the signal fires. Never rejects: without events the caller still looks
 * every `everyMs`.
 */
async function hear(
  docker: Docker,
  owner: string,
  { sinceMs, signal, everyMs, notify }: {
    sinceMs: number;
    signal: AbortSignal;
    everyMs: number;
    notify: () => void;
  },
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const _ of docker.changes({ [LABELS.owner]: owner }, { sinceMs, signal })) notify();
    } catch (error) {
      if (signal.aborted) return;
      processLog("driver").debug("Cannot hear of changes on the host: {why}", { why: messageOf(error) });
    }
    await delay(everyMs, { signal }).catch(() => {});
  }
}
