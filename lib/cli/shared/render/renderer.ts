import type { RunEnded, RunEvent } from "../../../engine/core/events.ts";

export interface EndFacts {
  readonly savedIn: string | undefined;
  readonly showAgain?: string | undefined;
}

/** Shows a run to somebody. */
export interface Renderer {
  /** One event of the run, in order, but for its end. Where it answers a promise, the next waits for it. */
  show(event: Exclude<RunEvent, RunEnded>): Promise<void> | undefined;
  /** The run's end. `savedIn`: where its artifacts are now. `showAgain`: the command that shows the run again. */
  end(event: RunEnded, facts: EndFacts): void;
  /** Something that the command itself has to say: on stderr, in every form. */
  note(text: string): void;
  /** Resolves when all of it has been taken. Nothing is shown after it. */
  close(): Promise<void>;
}
