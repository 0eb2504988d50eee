import type { RunEnded, RunEvent } from "../../../engine/core/events.ts";

/** Shows a run to somebody. */
export interface Renderer {
  /** One event of the run, in order, but for its end. Where it answers a promise, the next waits for it. */
  show(event: Exclude<RunEvent, RunEnded>): Promise<void> | undefined;
  /** The run's end. `savedIn`: where its artifacts are now. */
  end(event: RunEnded, facts: { savedIn: string | undefined }): void;
  /** Something that the command itself has to say: on stderr, in every form. */
  note(text: string): void;
  /** Resolves when all of it has been taken. Nothing is shown after it. */
  close(): Promise<void>;
}
