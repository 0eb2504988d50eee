import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";
import type { PublishRun, Store } from "../../../lib/backend/store.ts";
import type { Transport } from "../../../lib/backend/transport.ts";
import type { Engine, EngineOptions } from "../../../lib/engine/shell/engine.ts";
import type { RunEvent } from "../../../lib/engine/core/events.ts";
import { startEngine } from "../../../lib/engine/shell/start.ts";
import { hostile } from "../../backend/hostile.ts";

/**
 * A real backend in a temporary folder. Dispose ends everything that was started in it, newest first, and
 * removes the folder.
 */
export interface World extends AsyncDisposable {
  /** The transport of engine and drivers: hostile if a seed was given. */
  readonly transport: Transport;
  readonly store: Store;
  readonly sealKey: Uint8Array;
  readonly publishRun: PublishRun;
  readonly folder: string;
  engine(options?: Partial<EngineOptions>): Promise<Engine>;
  /** Disposes of something when the world ends. */
  use<T extends AsyncDisposable>(part: T): T;
}

export async function openWorld({ seed }: { seed?: number } = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-engine-"));
  const parts = new AsyncDisposableStack();
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const backend = parts.use(await openEmbedded({ folder, scope: "up" }));
  const { store, sealKey, publishRun } = backend;
  const transport = seed === undefined ? backend.transport : hostile(backend.transport, seed);
  return {
    transport,
    store,
    sealKey,
    publishRun,
    folder,
    engine: async (options = {}) => {
      // With a transport or a store of its own, every call must go through that.
      const isWhole = seed === undefined && !options.transport && !options.store;
      const given = { transport, store, sealKey, ...isWhole && { publishRun } };
      return parts.use(await startEngine({ ...given, ...options }));
    },
    use: (part) => parts.use(part),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Resolves to all events of a run once it has ended. */
export async function eventsOf(engine: Engine, run: string): Promise<RunEvent[]> {
  return await Array.fromAsync(engine.follow(run));
}

/** Waits for the run's end. */
export async function endOf(engine: Engine, run: string): Promise<RunEvent & { type: "end" }> {
  const last = (await eventsOf(engine, run)).at(-1);
  if (last?.type !== "end") throw new Error(`Run ${run} was not followed to its end`);
  return last;
}

/** Returns an event as one short text, without ids and times. */
export function brief(event: RunEvent): string {
  switch (event.type) {
    case "run":
      return "run";
    case "step":
      return `${event.step} ${event.status}`;
    case "log":
      return `${event.step} ${event.seq} ${event.message}`;
    case "end":
      return `end ${event.outcome}`;
  }
}
