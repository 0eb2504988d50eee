import { delay } from "../base/signals.ts";
import type { Docker } from "../docker/docker.ts";
import type { DriverSettings } from "../driver/driver.ts";
import { LABELS } from "./labels.ts";

/** Between two looks at a host that is full, milliseconds. */
const LOOK_MS = 1000;

/**
 * Resolves when this host has a free slot: fewer containers of this owner than it may have. They are counted from Docker,
 * so that the count survives whatever happens to drivers; events in hand may not have theirs yet and count as well.
 */
export async function waitForRoom(
  { docker, settings, inHand, signal }: {
    docker: Docker;
    settings: DriverSettings;
    inHand: number;
    signal: AbortSignal;
  },
): Promise<void> {
  if (settings.slots === undefined) return;
  for (;;) {
    const taken = await docker.list({ [LABELS.owner]: settings.owner }, { signal });
    if (taken.length + inHand < settings.slots) return;
    await delay(LOOK_MS, { signal });
  }
}
