import { formatSize } from "../../base/units.ts";
import { type Artifact, modeOf } from "../../wire/run.ts";
import { saveArtifacts, type SavedFrom } from "../shared/save-artifacts.ts";
import { json } from "../shared/api/call.ts";
import { clientOf } from "../shared/api/client.ts";
import { screenOf } from "../shared/render/screen.ts";
import { tableLines } from "../shared/render/table.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { resolveRun } from "../shared/runs/resolve-run.ts";
import { type InspectOptions, useRuns } from "../shared/runs/use-runs.ts";

export interface ArtifactsOptions extends InspectOptions {
  readonly output?: string | undefined;
}

/** Lists the artifacts of a run, or saves them in a folder. Throws InputError and UnavailableError. */
export async function artifacts(text: string, options: ArtifactsOptions): Promise<void> {
  await using opened = await useRuns(options);
  const { call } = opened;
  const run = await resolveRun(call, text);
  const { artifacts: kept } = await json(await call({ method: "GET", path: `/runs/${run}/artifacts` })) as {
    artifacts: Artifact[];
  };
  if (options.output !== undefined) {
    const client = clientOf(call, "the control plane");
    const again = commandFor("artifacts", run, options);
    await saveArtifacts(readerOf(kept, client.artifact), run, options.output, again);
  }
  if (options.json) {
    for (const artifact of kept) process.stdout.write(`${JSON.stringify(artifact)}\n`);
  } else if (kept.length === 0) {
    process.stderr.write(`Run ${run} has no artifacts\n`);
  } else {
    const rows = kept.map(({ name, size, sha256 }) => [name, formatSize(size), sha256]);
    process.stdout.write(
      `${tableLines(["artifact", "size", "sha256"], rows, screenOf().style).join("\n")}\n`,
    );
  }
}

function readerOf(
  kept: readonly Artifact[],
  fetch: (run: string, artifact: Artifact) => Promise<AsyncIterable<Uint8Array>>,
): SavedFrom {
  return {
    list: () => Promise.resolve(kept.map((artifact) => ({ ...artifact, mode: modeOf(artifact.mode) }))),
    async open(run, name) {
      const artifact = kept.find((artifact) => artifact.name === name);
      return artifact && await fetch(run, artifact);
    },
  };
}
