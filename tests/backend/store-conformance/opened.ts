import type { LogBatch, Store } from "../../../lib/backend/store.ts";
import type { Transport } from "../../../lib/backend/transport.ts";
import { HEADERS } from "../../../lib/wire/headers.ts";
import type { Log } from "../../../lib/wire/messages.ts";
import type { Run } from "../../../lib/wire/run.ts";

/** A store under test that holds nothing yet, with a transport on the same backend. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store;
  readonly transport: Transport;
  /** Another store on the same backend, as another process would have it. Disposed with this. */
  another(): Promise<Store>;
}

export type OpenStore = () => Promise<OpenedStore>;

export const RUN = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
export const OTHER_RUN = "0fbab31f-a278-4a8f-96be-ac49b007ca65";

/** A run record, open unless it is given an outcome. */
export function runOf(id: string, facts: Partial<Run> = {}): Run {
  return {
    schema: 1,
    id,
    operation: "create",
    resource: { id: "r", name: "app", resource: "flutter-builder", spec: { repository: "https://x/y" } },
    pipeline: { name: "p", resource: "flutter-builder", steps: [] },
    steps: [],
    createdAt: 1_700_000_000_000,
    timeoutMs: 60_000,
    restartsLeft: 0,
    outbox: [],
    ...facts,
  };
}

export function logOf(message: string, facts: Partial<Log> = {}): Log {
  const timestamp = "2026-01-01T00:00:00.000Z";
  return { runid: RUN, driver: "builder", timestamp, message, step: "build", stream: "stdout", ...facts };
}

/** Publishes lines as one batch, the way our drivers do. */
export async function publishBatch(
  transport: Transport,
  messages: readonly string[],
  { run = RUN, step = "build", attempt = 1, id }: {
    run?: string;
    step?: string;
    attempt?: number;
    id?: string;
  } = {},
): Promise<void> {
  const lines = messages.map((message) => `${JSON.stringify(logOf(message, { runid: run, step }))}\n`);
  await transport.publish(`logs.${run}`, lines.join(""), {
    ...(id === undefined ? {} : { id }),
    headers: {
      [HEADERS.lines]: String(messages.length),
      [HEADERS.step]: step,
      [HEADERS.attempt]: String(attempt),
    },
  });
}

export const messagesOf = (batch: LogBatch): string[] => batch.lines.map((line) => line.message);
