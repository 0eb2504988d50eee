import type { ArtifactReader } from "../../backend/store.ts";
import { messageOf } from "../../base/errors.ts";
import type { RunEnded, RunEvent } from "../../engine/core/events.ts";
import type { Renderer } from "./render/renderer.ts";
import { saveArtifacts } from "./save-artifacts.ts";

export interface ShowOptions {
  readonly run: string;
  readonly artifacts: Pick<ArtifactReader, "list" | "open" | "copyTo">;
  /** Folder to save the artifacts in. */
  readonly output: string;
  /** The command that shows the run again. */
  readonly showAgain?: string;
  /** The command that saves the artifacts again, without the folder. */
  readonly saveAgain?: string;
}

/**
 * Shows a run up to its end. Saves its artifacts before it shows the end. Throws what `saveArtifacts` throws,
 * after showing the end.
 */
export async function showRun(
  events: AsyncIterable<RunEvent>,
  renderer: Renderer,
  { run, artifacts, output, showAgain, saveAgain }: ShowOptions,
): Promise<RunEnded> {
  for await (const event of events) {
    if (event.type !== "end") {
      const slow = renderer.show(event);
      if (slow) await slow;
      continue;
    }
    let saved = 0;
    let unsaved: string | undefined;
    try {
      const links = new Map(event.artifacts.map(({ name, link }) => [name, link]));
      const linked = async () =>
        (await artifacts.list(run)).map((artifact) => ({ ...artifact, link: links.get(artifact.name) }));
      const source = {
        list: linked,
        open: artifacts.open.bind(artifacts),
        ...artifacts.copyTo && { copyTo: artifacts.copyTo.bind(artifacts) },
      };
      saved = await saveArtifacts(source, run, output, saveAgain);
    } catch (error) {
      unsaved = messageOf(error);
      throw error;
    } finally {
      // Readers of the output expect the end, even if the artifacts could not be saved.
      renderer.end(event, { savedIn: saved > 0 ? output : undefined, unsaved, showAgain });
    }
    return event;
  }
  throw new Error(`The events of run ${run} ended without its end`);
}
