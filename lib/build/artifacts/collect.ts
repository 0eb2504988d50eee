import { InputError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { type ContainerInfo, DockerError } from "../../docker/docker.ts";
import type { BuildContext } from "../policy.ts";
import { type Artifact, modeText } from "../../wire/run.ts";
import { onceBegun } from "../once-begun.ts";
import type { Plan } from "../plan.ts";
import { inPieces } from "./byte-queue.ts";
import { type Choice, chooseFiles, failed, type Unkept, unkept } from "./choose.ts";
import { showName } from "./file-name.ts";
import { fetchFiles } from "./fetch.ts";
import { withManifest } from "./manifest.ts";
import { withSession } from "./session.ts";
import { ArchiveError, type Attributes, shorten, type Wanted } from "./unpack.ts";
import { type BuildEnd, wantedAt, type WantedGlob } from "./wanted.ts";
import { withinLimits } from "./within-limits.ts";

/** Most log lines for one kind of entry; the rest is only counted. */
const MAX_LINES = 1000;
/** Most skipped links in the log, and most globs in a message. */
const MAX_NAMED = 20;
/** Files up to this size are stored while the next ones are read. */
const SMALL_BYTES = 256 * 1024;
const STORED_AT_ONCE = 16;

/**
 * Stores the files that a plan's globs choose for a build that ended so, under their paths relative to the
 * build's folder (see docs/spec.md). Throws StepFailure `artifact-failed` if a file cannot be kept, or if the
 * build succeeded and a glob chooses nothing. A build that failed leaves such files out, and every build
 * those beyond the operator's limits, with a line in the log.
 */
export async function collectArtifacts(
  context: BuildContext,
  container: ContainerInfo,
  { workdir, artifacts }: Pick<Plan, "workdir" | "artifacts">,
  end: BuildEnd = "success",
): Promise<Artifact[]> {
  const wanted = wantedAt(artifacts, end);
  if (wanted.length === 0) return [];
  return await onceBegun("Keeping the artifacts was cut off", {}, async () => {
    try {
      const kept = await collect(context, container, { workdir, wanted, end });
      await reportKept(context, kept, end);
      return await withManifest(context, kept);
    } catch (error) {
      if (error instanceof ArchiveError) {
        throw failed(`Cannot keep the artifacts: ${error.message}`, { cause: error });
      }
      if (!(error instanceof DockerError)) throw error;
      throw failed("Cannot keep the artifacts: Docker does not hand them out", { cause: error });
    }
  });
}

async function collect(
  context: BuildContext,
  container: ContainerInfo,
  { workdir, wanted, end }: { workdir: string; wanted: readonly WantedGlob[]; end: BuildEnd },
): Promise<Artifact[]> {
  const globs = wanted.map(({ glob }) => glob);
  const showsGit = globs.some(({ alternatives }) => alternatives.some(({ namesGit }) => namesGit));
  const kept: Artifact[] = [];
  await withSession(context, container, { folder: workdir, showsGit }, async (session) => {
    const choice = await chooseFiles(session, globs, {
      signal: context.signal,
      timed: new Set(wanted.filter(({ times }) => times).map(({ glob }) => glob)),
    });
    const missing = whyUnmatched(choice, wanted, workdir);
    if (end === "success") {
      await reportLeftOut(context, choice.leftOut);
      if (choice.unkept.length > 0) {
        if (missing !== undefined) await context.log.line(missing);
        throw unkept(choice.unkept);
      }
      if (missing !== undefined) throw failed(missing);
    } else {
      // What is wrong with one file must not cost the log of the tests that failed.
      await reportLeftOut(context, [...choice.unkept, ...choice.leftOut]);
      if (missing !== undefined) await context.log.line(missing);
    }
    const files = await withinLimits(context, choice.files);
    const storing = storer(context, kept);
    await fetchFiles(context, container, { session, files, take: storing.take }).finally(storing.settle);
    storing.check();
  });
  return kept.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Takes one line after a failure: the last lines of a failed build are read for its error. */
async function reportKept({ log }: BuildContext, kept: readonly Artifact[], end: BuildEnd): Promise<void> {
  if (end !== "success") {
    if (kept.length === 0) return;
    const named = kept.slice(0, MAX_NAMED).map(({ name }) => name).join(", ");
    const more = kept.length > MAX_NAMED ? ` and ${kept.length - MAX_NAMED} more` : "";
    return await log.line(`Kept all the same: ${named}${more}`);
  }
  for (const { name, size } of kept.slice(0, MAX_LINES)) {
    await log.line(`Kept ${name} (${formatSize(size)})`);
  }
  if (kept.length > MAX_LINES) await log.line(`Kept ${kept.length - MAX_LINES} more`);
}

async function reportLeftOut({ log }: BuildContext, leftOut: readonly Unkept[]): Promise<void> {
  for (const { name, why } of leftOut.slice(0, MAX_NAMED)) {
    await log.line(`Left out ${showName(name)}: ${why}`);
  }
  if (leftOut.length > MAX_NAMED) await log.line(`Left out ${leftOut.length - MAX_NAMED} more`);
}

/** Returns which globs chose nothing although they had to, or undefined if all did. */
function whyUnmatched(
  choice: Choice,
  wanted: readonly WantedGlob[],
  workdir: string,
): string | undefined {
  const mayBeEmpty = new Set(wanted.filter(({ allowEmpty }) => allowEmpty).map(({ glob }) => glob));
  const unmatched = choice.unmatched.filter(({ glob }) => !mayBeEmpty.has(glob));
  if (unmatched.length === 0) return undefined;
  const named = unmatched.slice(0, MAX_NAMED).map(({ glob }) => JSON.stringify(shorten(glob.text))).join(
    ", ",
  );
  const more = unmatched.length > MAX_NAMED ? ` and ${unmatched.length - MAX_NAMED} more` : "";
  return unmatched.every(({ isTaken }) => isTaken)
    ? `All that the artifact glob ${named}${more} matches in ${workdir} is taken away by another glob`
    : `No file matches the artifact glob ${named}${more} in ${workdir}`;
}

/** Stores files as they arrive. Small files are stored while the next ones are read. */
function storer(context: BuildContext, kept: Artifact[]) {
  const storing = new Set<Promise<void>>();
  const failures: unknown[] = [];

  /** Throws the first failure of a small file. */
  function check(): void {
    if (failures.length > 0) throw failures[0];
  }

  async function store(
    { name, path }: Wanted,
    { mode, ...time }: Attributes,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const options = { mode, ...time, signal: context.signal };
    const { size, sha256 } = await context.putArtifact(name, bytes, options).catch((error) => {
      throw error instanceof InputError ? unkept([{ name, why: error.message }]) : error;
    });
    kept.push({ name, path, size, sha256, ...modeText(mode), ...time });
  }

  return {
    async take(file: Wanted, attributes: Attributes, bytes: AsyncIterable<Uint8Array>): Promise<void> {
      check();
      if (file.size > SMALL_BYTES) return await store(file, attributes, bytes);
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      const work: Promise<void> = store(file, attributes, inPieces(chunks))
        .catch((error) => void failures.push(error))
        .finally(() => storing.delete(work));
      storing.add(work);
      if (storing.size >= STORED_AT_ONCE) await Promise.race(storing);
    },
    /** Waits for the small files that are being stored: none may be stored after the step's result. */
    settle: async (): Promise<void> => void await Promise.all(storing),
    check,
  };
}
