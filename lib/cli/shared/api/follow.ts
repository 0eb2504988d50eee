import type { RunEvent } from "../../../engine/core/events.ts";
import { ApiAwayError } from "./call.ts";
import type { Patience } from "./patience.ts";

/**
 * Yields a run's events up to its end, each once, and reconnects when needed. Every connection starts at the
 * run's beginning, with the events in the same order.
 */
export async function* followRun(
  connect: () => AsyncIterable<RunEvent>,
  patience: Patience,
): AsyncGenerator<RunEvent> {
  const told = { lines: 0, others: 0 };
  for (;;) {
    let others = 0;
    try {
      for await (const event of connect()) {
        patience.isBack();
        if (event.type === "log") {
          if (event.seq <= told.lines) continue;
          told.lines = event.seq;
        } else {
          if (++others <= told.others) continue;
          told.others = others;
        }
        yield event;
        if (event.type === "end") return;
      }
      throw new ApiAwayError("The control plane has ended the connection before the run");
    } catch (error) {
      await patience.bear(error);
    }
  }
}
