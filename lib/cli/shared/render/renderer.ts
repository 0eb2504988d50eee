import type { RunEnded, RunEvent } from "../../../engine/core/events.ts";

export interface EndFacts {
  readonly savedIn: string | undefined;
  /** Why artifacts could not be saved; undefined if all were. */
  readonly unsaved?: string | undefined;
  readonly showAgain?: string | undefined;
}

/** Shows a run to the user. */
export interface Renderer {
  /**
   * Shows one event of the run, in order, except for its end. If this returns a promise, await it before the
   * next event.
   */
  show(event: Exclude<RunEvent, RunEnded>): Promise<void> | undefined;
  /**
   * Shows the run's end. `savedIn`: the folder with its artifacts. `showAgain`: the command that shows the
   * run again.
   */
  end(event: RunEnded, facts: EndFacts): void;
  /** Shows a message of the command itself, on stderr in every form. */
  note(text: string): void;
  /** Resolves when all output has been written. Nothing is shown after it. */
  close(): Promise<void>;
}
