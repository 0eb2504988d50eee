import { randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { InputError, UnavailableError } from "../../../base/errors.ts";
import { DEFAULT_PIDS } from "../../../build/policy.ts";
import { type LocalSource, openLocalSource } from "../../../build/git/local-source.ts";
import { resolveCommit } from "../../../build/git/local/resolve-commit.ts";
import { BUILD_PIPELINE } from "../../../build/pipeline.ts";
import { type Plan, planBuild } from "../../../build/plan.ts";
import { parseRepository } from "../../../build/repository.ts";
import { FLUTTER_BUILDER, parseBuildSpec } from "../../../build/spec.ts";
import { describeIssues } from "../../../wire/issues.ts";
import type { Driver } from "../../../driver/driver.ts";
import type { Pipeline, Resource } from "../../../wire/resource.ts";
import { pipelineOf } from "./own-pipeline.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { secretsOf } from "./secrets-of.ts";
import { checkFileRequests } from "./file-requests.ts";
import { type SpecFlags, specOfFlags } from "./spec-of-flags.ts";
import type { ResourceFile } from "./resource-file.ts";
import type { Operands } from "./operands.ts";
import { snapshotWorkTree, type WorkTree } from "./uncommitted.ts";
import { withoutTrailing } from "../../../base/text.ts";

/** A requested build: valid, and within what the command line allows. */
export interface BuildRequest {
  readonly resource: Resource;
  readonly plan: Plan;
  readonly pipeline: Pipeline;
  /** State of a local repository when the command was typed. */
  readonly local: LocalRequest | undefined;
  readonly secrets: Readonly<Record<string, string>>;
  /** The caller's variables that the spec may read: those named with -e. */
  readonly allowEnv: readonly string[];
  /** The network named with --network. */
  readonly allowNetworks: readonly string[];
  /**
   * Whether the user chose the image, by --image or as the default. An image from a file does not get git
   * credentials.
   */
  readonly isImageChosen: boolean;
}

export interface LocalRequest {
  /** Undefined if there is no such ref; the clone reports that. */
  readonly commit: { readonly repository: string; readonly commit: string; readonly ref: string } | undefined;
  /** An error if the uncommitted files cannot be determined. */
  readonly workTree: WorkTree | Error | undefined;
  /** The named folder, relative to the top of the work tree; empty for the top. */
  readonly below: string;
}

/**
 * Turns the flags, and the file that they name, into a resource. A local repository becomes an absolute path.
 * `elsewhere`: the drivers run on other machines, so a local repository is refused, and what only their
 * operator can allow is not checked here. Throws InputError with one line per problem.
 */
export async function buildRequest(
  options: SpecFlags & { file?: string | undefined },
  operands: Operands,
  environment: Environment,
  { elsewhere = false, own = [] }: { elsewhere?: boolean; own?: readonly Driver[] } = {},
): Promise<BuildRequest> {
  const file = options.file === undefined ? undefined : await readFile(options.file);
  const pipeline = pipelineOf(file?.pipeline, own, { isHere: !elsewhere });
  const flags = specOfFlags({}, options, operands.command, environment);
  const spec = {
    ...specOfFlags(file?.spec ?? {}, options, operands.command, environment),
    repository: repositoryOf(operands, file?.spec.repository, options.file),
  };
  const allowEnv = (options.env ?? []).filter(({ value }) => value === undefined).map(({ name }) => name);
  const allowNetworks = options.network === undefined ? [] : [options.network];
  if (elsewhere) checkReachable(spec.repository, operands);
  if (file) {
    const asked = { flags, env: allowEnv, folder: operands.repository ?? "." };
    checkFileRequests({ ...file.spec, repository: spec.repository }, asked, { elsewhere });
    checkSpec(spec, file);
  }
  const plan = planBuild(spec, {
    ...NO_LIMITS,
    ...elsewhere ? othersToAllow(spec) : { allowNetworks, allowEnv, allowPrivileged: false, environment },
    allowLocalRepository: !elsewhere,
    maxPids: elsewhere ? undefined : Math.max(options.pids ?? 0, DEFAULT_PIDS),
  });
  const local = plan.repository.kind === "local"
    ? await pin(plan, plan.repository.path, environment)
    : undefined;
  const secrets = secretsOf(plan.spec.secrets, environment);
  checkNoSecretIn(spec, secrets);
  const isImageChosen = options.image !== undefined || file?.spec.image === undefined;
  return {
    resource: resourceOf(file, plan, spec, pipeline),
    plan,
    pipeline,
    secrets,
    allowEnv,
    allowNetworks,
    isImageChosen,
    local,
  };
}

/** An earlier build. */
export interface PastBuild {
  readonly run: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/**
 * Returns the request to repeat an earlier build of this machine. Allows the networks, variables and
 * processes of its spec, as its command line did. Throws as `buildRequest`.
 */
export async function requestOfPast(
  { name, spec }: PastBuild,
  environment: Environment,
): Promise<BuildRequest> {
  const asked = othersToAllow(spec);
  const { allowNetworks, allowEnv } = asked;
  const limits = typeof spec.limits === "object" && spec.limits !== null ? spec.limits : {};
  const pids = "pids" in limits && typeof limits.pids === "number" ? limits.pids : 0;
  const plan = planBuild(spec, {
    ...NO_LIMITS,
    allowNetworks,
    allowEnv,
    allowPrivileged: false,
    environment,
    allowLocalRepository: true,
    maxPids: Math.max(pids, DEFAULT_PIDS),
  });
  const local = plan.repository.kind === "local"
    ? await pin(plan, plan.repository.path, environment)
    : undefined;
  const secrets = secretsOf(plan.spec.secrets, environment);
  checkNoSecretIn(spec, secrets);
  const resource = {
    id: randomUUID(),
    name,
    pipeline: BUILD_PIPELINE.name,
    resource: FLUTTER_BUILDER,
    metadata: {},
    spec: { ...spec },
  };
  const isImageChosen = spec.image === undefined;
  return { resource, plan, pipeline: BUILD_PIPELINE, secrets, allowEnv, allowNetworks, isImageChosen, local };
}

/** Pins what is built: later commits belong to the next build. */
async function pin({ spec }: Plan, repository: string, environment: Environment): Promise<LocalRequest> {
  const source = await openLocalSource(repository, { environment });
  const commit = resolveCommit(source, spec.ref);
  const below = source.workTree === undefined ? "" : relative(source.workTree, realpathSync(repository));
  return { commit: commit && { repository, ...commit }, workTree: snapshotOf(source), below };
}

const NO_LIMITS = {
  allowImages: [],
  allowKeep: true,
  maxCpus: undefined,
  maxMemory: undefined,
  maxTimeoutMs: undefined,
  maxLogBytes: Infinity,
  maxArtifactBytes: Infinity,
  graceMs: Infinity,
};

/** Allows whatever the spec asks for: the drivers' operator decides. */
function othersToAllow({ env, network }: Record<string, unknown>) {
  const wanted = (Array.isArray(env) ? env : []).map((entry): unknown => entry?.valueFrom)
    .filter((name) => typeof name === "string");
  return {
    allowNetworks: typeof network === "string" ? [network] : [],
    allowEnv: wanted,
    allowPrivileged: true,
    environment: Object.fromEntries(wanted.map((name) => [name, ""])),
  };
}

/** Throws InputError for a repository that the drivers cannot reach. */
function checkReachable(repository: unknown, operands: Operands): void {
  if (typeof repository !== "string" || parseRepository(repository).kind !== "local") return;
  throw new InputError(
    `Cannot submit the folder "${
      operands.repository ?? repository
    }": expected an https or ssh URL that the drivers can reach; "flutter-ci run" builds a folder`,
  );
}

/** Returns the snapshot, or the error to report with the warning, which is its only use. */
function snapshotOf(source: LocalSource): WorkTree | Error | undefined {
  try {
    return snapshotWorkTree(source);
  } catch (error) {
    if (error instanceof InputError || error instanceof UnavailableError) return error;
    throw error;
  }
}

/** Loads the YAML parser on demand: it is large, and most builds name no file. */
async function readFile(path: string): Promise<ResourceFile> {
  const { readResourceFile } = await import("./resource-file.ts");
  return await readResourceFile(path);
}

function resourceOf(
  file: ResourceFile | undefined,
  plan: Plan,
  spec: Record<string, unknown>,
  pipeline: Pipeline,
): Resource {
  return {
    id: file?.id ?? randomUUID(),
    name: file?.name ?? nameOf(plan),
    pipeline: pipeline.name,
    resource: FLUTTER_BUILDER,
    metadata: file?.metadata ?? {},
    spec,
  };
}

/**
 * Returns the repository from the command line, otherwise from the file (a path is relative to the file's
 * folder), otherwise the current folder.
 */
function repositoryOf({ repository }: Operands, inFile: unknown, file: string | undefined): unknown {
  if (repository !== undefined) return absolute(repository, ".");
  if (inFile === undefined) return resolve(".");
  return typeof inFile === "string" ? absolute(inFile, dirname(file ?? ".")) : inFile;
}

function absolute(repository: string, base: string): string {
  // Validate the original text before it becomes a path.
  const parsed = parseRepository(repository);
  return parsed.kind === "local" ? resolve(base, parsed.path) : repository;
}

/** Reports errors of a spec with the values as written in the file: its author wrote `1.10`, not 1.1. */
function checkSpec(spec: Record<string, unknown>, { sourceOf }: ResourceFile): void {
  const parsed = parseBuildSpec(spec);
  if (parsed.success) return;
  throw new InputError(
    describeIssues(parsed.error, spec, "spec", (path, value) => sourceOf(["spec", ...path], value)),
  );
}

/** Values shorter than this are not searched for: they match by chance. */
const LEAST_SECRET_CHARS = 4;

/**
 * Throws InputError if the spec contains the value of a secret, as in `-c "curl -H $TOKEN"`, where the
 * caller's shell expanded it. A spec is stored, shown and sent unmasked.
 */
function checkNoSecretIn(
  spec: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, string>>,
): void {
  const values = Object.entries(secrets).filter(([, value]) => value.length >= LEAST_SECRET_CHARS);
  const problems: string[] = [];
  const look = (value: unknown, place: string): void => {
    if (typeof value === "string") {
      for (const [name, secret] of values) {
        if (!value.includes(secret)) continue;
        problems.push(
          `${place}: The value of the secret "${name}" stands in it: expected the variable instead, as in '$${name}'`,
        );
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [key, entry] of Object.entries(value)) look(entry, `${place}.${key}`);
    }
  };
  look(spec, "spec");
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}

/** Returns the last part of the repository's address, with characters that are valid everywhere. */
function nameOf({ repository }: Plan): string {
  const address = repository.kind === "local" ? repository.path : repository.url;
  const name = basename(withoutTrailing(address, "/?#")).replace(/\.git$/, "").replace(
    /[^A-Za-z0-9._-]+/g,
    "-",
  );
  return name || "build";
}
