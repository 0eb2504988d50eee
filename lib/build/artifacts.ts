import { posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { InputError, StepFailure } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import type { ContainerInfo } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import type { Artifact } from "../wire/run.ts";
import { findFiles } from "./find-files.ts";
import { onceBegun } from "./once-begun.ts";
import { type Plan, WORKSPACE } from "./plan.ts";

/** A result has room for this many; more are listed in a manifest that is an artifact itself. */
const MAX_LISTED = 1000;
const MANIFEST = "artifacts.json";
const MAX_LINKS = 8;
/** Files that are copied out at the same time. */
const AT_ONCE = 4;

/**
 * Copies what a plan's globs match out of the container and keeps it under its path in the build's folder. A link stands
 * for the file it points to, if that lies in the workspace. Throws StepFailure `artifact-failed` where a glob matches
 * nothing or something cannot be kept; past the operator's limit a line says so and the rest is left.
 */
export async function collectArtifacts(
  context: Context,
  container: ContainerInfo,
  plan: Plan,
): Promise<Artifact[]> {
  if (plan.spec.artifacts.length === 0) return [];
  return await onceBegun("Keeping the artifacts was cut off", {}, () => collect(context, container, plan));
}

async function collect(
  context: Context,
  container: ContainerInfo,
  { spec, workdir }: Plan,
): Promise<Artifact[]> {
  const { paths, unmatched } = await findFiles(context, container, workdir, spec.artifacts);
  if (unmatched.length > 0) {
    const globs = unmatched.map((text) => JSON.stringify(text)).join(", ");
    throw new StepFailure(`No file matches the artifact glob ${globs} in ${workdir}`, {
      reason: "artifact-failed",
    });
  }
  const budget = { left: context.settings.maxArtifactBytes, skipped: 0 };
  const kept: Artifact[] = [];
  await atOnce(paths, async (path) => {
    const artifact = await keep(context, container, workdir, path, budget);
    if (artifact) kept.push(artifact);
  });
  if (budget.skipped > 0) {
    const limit = formatSize(context.settings.maxArtifactBytes);
    await context.log.line(`${budget.skipped} artifacts are not kept: together they are more than ${limit}`);
  }
  kept.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, size } of kept.slice(0, MAX_LISTED)) {
    await context.log.line(`Kept ${name} (${formatSize(size)})`);
  }
  return kept.length > MAX_LISTED ? [await keepManifest(context, kept)] : kept;
}

/** Works on some at a time. At the first that fails no other is begun, and it throws when those in hand have ended. */
async function atOnce(paths: readonly string[], work: (path: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  const waiting = paths.values();
  const worker = async () => {
    for (const path of waiting) {
      if (failures.length > 0) return;
      await work(path).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
}

async function keep(
  context: Context,
  container: ContainerInfo,
  workdir: string,
  path: string,
  budget: { left: number; skipped: number },
): Promise<Artifact | undefined> {
  let source = posix.join(workdir, path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    const bytes = await context.docker.copyOut(container.id, source, { signal: context.signal });
    if (!bytes) throw unkept(path, "it is gone");
    const found = await firstEntry(bytes, async (header, body) => {
      if (header.type === "symlink") return { link: header.linkname ?? "" };
      if (header.type !== "file") throw unkept(path, `it is a ${header.type}`);
      if ((header.size ?? 0) > budget.left) {
        budget.skipped++;
        return {};
      }
      budget.left -= header.size ?? 0;
      const { size, sha256 } = await context.putArtifact(path, body).catch((error) => {
        throw error instanceof InputError ? unkept(path, error.message) : error;
      });
      return { artifact: { name: path, path: posix.relative(WORKSPACE, source), size, sha256 } };
    });
    if (found.link === undefined) return found.artifact;
    source = posix.resolve(posix.dirname(source), found.link);
    if (!source.startsWith(`${WORKSPACE}/`)) {
      throw unkept(path, "it links to something outside of the workspace");
    }
  }
  throw unkept(path, "its links go round in a circle");
}

interface Found {
  link?: string;
  artifact?: Artifact;
}
type Header = { type?: string | null; size?: number; linkname?: string | null };

/** What the archive's first entry is turned into; the rest of the archive is not read. */
async function firstEntry(
  archive: AsyncIterable<Uint8Array>,
  take: (header: Header, body: AsyncIterable<Uint8Array>) => Promise<Found>,
): Promise<Found> {
  const entries = extract();
  const feeding = pipeline(archive, entries as unknown as NodeJS.WritableStream);
  feeding.catch(() => {}); // what breaks it also breaks the entries
  try {
    for await (const entry of entries) {
      return await take(entry.header, entry as AsyncIterable<Uint8Array>);
    }
    await feeding;
    return {};
  } finally {
    entries.destroy();
    await feeding.catch(() => {});
  }
}

async function keepManifest(context: Context, kept: readonly Artifact[]): Promise<Artifact> {
  const bytes = new TextEncoder().encode(JSON.stringify(kept));
  await context.log.line(`${kept.length} artifacts are listed in ${MANIFEST}`);
  const { size, sha256 } = await context.putArtifact(MANIFEST, ReadableStream.from([bytes]));
  return { name: MANIFEST, path: MANIFEST, size, sha256 };
}

function unkept(path: string, why: string): StepFailure {
  return new StepFailure(`Cannot keep the artifact ${JSON.stringify(path)}: ${why}`, {
    reason: "artifact-failed",
  });
}
