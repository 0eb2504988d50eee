import type { Store } from "../../../backend/store.ts";
import { ConflictError } from "../../../backend/store.ts";
import type { History } from "../../../backend/embedded/embedded.ts";
import { systemClock } from "../../../base/clock.ts";
import { decide, type Input } from "../../../engine/core/decide.ts";
import { RunClocks } from "../../../engine/shell/run-clocks.ts";
import { historyApi } from "../../../engine/http/api.ts";
import { Problem } from "../../../engine/http/problem.ts";
import { type Caller, errorIn, refusal } from "../api/call.ts";

/** Returns a caller that serves a control plane's routes from the history of a data folder. */
export function historyCaller(history: History): Caller {
  const answer = historyApi({
    store: history,
    engine: {
      submit: () => Promise.reject(new Problem(409, 'A data folder starts no runs: use "flutter-ci run"')),
      whyWaiting: () => Promise.resolve(undefined),
      stop: (run, why) => stopElsewhere(history, run, { kind: "stop", ...why }),
    },
    clock: systemClock,
  });
  return async ({ method, path, body, signal }) => {
    const response = await answer(
      new Request(`http://history${path}`, {
        method,
        ...body !== undefined && { body: JSON.stringify(body) },
        ...signal && { signal },
      }),
    );
    if (response.ok) return response.body ?? new ReadableStream<Uint8Array>();
    const message = await errorIn(response.body ?? new ReadableStream<Uint8Array>());
    throw refusal(response.status, message, "The history");
  };
}

/** Records a stop request for a run of another process, which watches the record. */
async function stopElsewhere(history: History, id: string, why: Input): Promise<void> {
  const { runs }: Store = history;
  // The run's own time, also where the machine's clock was set since it began: its process counts in that.
  const clocks = new RunClocks();
  for (;;) {
    const found = await runs.get(id);
    if (!found || found.value.outcome !== undefined) return;
    if (!history.isAlive(id)) {
      throw new Problem(
        409,
        `Cannot cancel run "${id}": no process works on it here. ` +
          'One of a control plane is cancelled through it (--api); what a killed one has left ends with the next "flutter-ci run" or "flutter-ci gc"',
      );
    }
    const next = decide(found.value, why, clocks.now(found.value));
    try {
      if (next !== found.value) await runs.put(id, next, found.revision);
      return;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}
