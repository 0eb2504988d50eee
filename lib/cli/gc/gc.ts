import { openEmbedded } from "../../backend/embedded/embedded.ts";
import { lstatIfThere } from "../../base/files.ts";
import type { LogLevel } from "../../driver/program/command-line/command.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { startEngine } from "../../engine/shell/start.ts";
import { cleanData } from "../shared/clean-data.ts";

export interface GcOptions {
  readonly dryRun?: boolean | undefined;
  readonly docker?: string | undefined;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

const TEXTS = {
  run: { done: "Ended run", dry: "Would end run" },
  container: { done: "Removed container", dry: "Would remove container" },
} as const;

/** Removes what no live run owns, and says what. Throws UnavailableError. */
export async function gc(options: GcOptions): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
    withoutOutcomesOf: ["driver", "engine"],
  });
  const folder = dataFolder(options.data, environment);
  const dryRun = options.dryRun === true;
  const say = (what: "run" | "container", name: string) => {
    const text = TEXTS[what][dryRun ? "dry" : "done"];
    process.stdout.write(
      options.json ? `${JSON.stringify({ type: what, name, dryRun })}\n` : `${text} ${name}\n`,
    );
  };
  if (!lstatIfThere(folder)) return nothing(options);
  await using embedded = await openEmbedded({ folder, scope: "gc" });
  const { transport, store, sealKey } = embedded;
  await using engine = await startEngine({ transport, store, sealKey });
  const stopping = new AbortController();
  await using docker = reachDocker({ endpoint: options.docker, environment, signal: stopping.signal });
  const { ended, removed } = await cleanData({
    embedded,
    engine,
    docker: (await docker.answer).docker,
    signal: stopping.signal,
    dryRun,
  });
  for (const run of ended) say("run", run);
  for (const name of removed) say("container", name);
  if (ended.length + removed.length === 0) nothing(options);
}

function nothing({ json }: GcOptions): void {
  if (!json) process.stderr.write("Nothing is left behind\n");
}
