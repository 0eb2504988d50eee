import { openBucketReader } from "../../backend/nats/bucket-reader.ts";
import { InputError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { modeText } from "../../wire/run.ts";
import type { LoginOptions } from "../../driver/program/broker/broker-flags.ts";
import { checkBrokerFlags } from "../../driver/program/broker/check-broker-flags.ts";
import { natsOptions } from "../../driver/program/broker/open-broker.ts";
import { saveArtifacts } from "../shared/save-artifacts.ts";

export type OnBrokerOptions = LoginOptions & {
  readonly nats: readonly string[];
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
};

/**
 * Lists the artifacts of a run on a broker, or saves them in a folder: next to a Conveyor server there is no
 * control plane of ours to ask. `text` is the run's id or the beginning of it. Throws InputError,
 * UnavailableError and Retryable.
 */
export async function artifactsOnBroker(text: string, options: OnBrokerOptions): Promise<void> {
  await checkBrokerFlags(options);
  await using reader = await openBucketReader(natsOptions(options, "conveyor-artifacts"));
  const run = runOf(text, reader.runs());
  const kept = await reader.list(run);
  if (options.output !== undefined) await saveArtifacts(reader, run, options.output);
  for (const { mode, ...artifact } of kept) {
    const { name, size, sha256 } = artifact;
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ...artifact, ...modeText(mode) })}\n`
        : `${sha256}  ${formatSize(size).padStart(9)}  ${name}\n`,
    );
  }
}

function runOf(text: string, runs: readonly string[]): string {
  const found = runs.includes(text) ? [text] : runs.filter((run) => run.startsWith(text));
  const [run] = found;
  if (run === undefined) {
    throw new InputError(
      `No run "${text}" has artifacts on this broker: expected the id of one, or its beginning`,
    );
  }
  if (found.length > 1) {
    throw new InputError(`The run "${text}" is not one: ${found.length} runs begin so`);
  }
  return run;
}
