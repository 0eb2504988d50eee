import { randomUUID } from "node:crypto";
import { basename, dirname, resolve } from "node:path";
import { InputError } from "../../../base/errors.ts";
import { DEFAULT_PIDS } from "../../../build/policy.ts";
import type { Plan } from "../../../build/plan.ts";
import { parseRepository } from "../../../build/repository.ts";
import { FLUTTER_BUILDER } from "../../../build/spec.ts";
import type { Driver } from "../../../driver/driver.ts";
import type { Pipeline, Resource } from "../../../wire/resource.ts";
import type { BuildOptions } from "./build-flags.ts";
import { readEnvFiles } from "./env-file.ts";
import { withFields } from "./set-fields.ts";
import { checkNoSecretIn } from "./no-secret-in.ts";
import { checkOwnSpecs, planWith } from "./plan-with-file.ts";
import { pipelineOf, whyNoName } from "./own-pipeline.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { secretsOf } from "./secrets-of.ts";
import { checkFileRequests } from "./file-requests.ts";
import { type SpecFlags, specOfFlags } from "./spec-of-flags.ts";
import type { ResourceFile } from "./resource-file.ts";
import type { Operands } from "./operands.ts";
import { NO_LIMITS, othersToAllow } from "./allowances.ts";
import { type LocalRequest, type OwnFolders, ownFolders, pinned } from "./local-request.ts";
import { checkSaysWhatToRun, lookIntoRepository, whatIsAssumed } from "./repository-file.ts";
import { withoutTrailing } from "../../../base/text.ts";

/** A requested build: valid, and within what the command line allows. */
export interface BuildRequest {
  readonly resource: Resource;
  readonly plan: Plan;
  readonly pipeline: Pipeline;
  /** The name of a pipeline that the control plane stores, which the file asks for instead. */
  readonly storedPipeline: string | undefined;
  /** State of a local repository when the command was typed. */
  readonly local: LocalRequest | undefined;
  readonly secrets: Readonly<Record<string, string>>;
  /** The caller's variables that the spec may read: those named with -e. */
  readonly allowEnv: readonly string[];
  /** The network named with --network. */
  readonly allowNetworks: readonly string[];
  /**
   * Images that get git credentials, and whose git is believed: the one that the user chose, by --image or as
   * the default. None if a file chose it.
   */
  readonly trustedImages: readonly string[];
  /** The repository's own file that says how to build it, if that was read. */
  readonly fileName: string | undefined;
  /** What to say if nothing says how to build it. */
  readonly assumed: string | undefined;
}

export interface BuildRequestOptions {
  readonly elsewhere?: boolean;
  /** Drivers of one's own, whose steps a pipeline may have. */
  readonly own?: readonly Driver[];
  /** Certificates for `spec.ca`. */
  readonly ca?: string | undefined;
  /** The text of a file of signers, for `spec.verifySignatures`. */
  readonly verifySignatures?: string | undefined;
}

/**
 * Turns the flags, and the file that they name, into a resource. A local repository becomes an absolute path.
 * `elsewhere`: the drivers run on other machines, so a local repository is refused, and what only their
 * operator can allow is not checked here. Throws InputError with one line per problem.
 */
export async function buildRequest(
  options: SpecFlags & OwnFolders & Partial<Pick<BuildOptions, "file" | "envFile" | "set">>,
  operands: Operands,
  environment: Environment,
  { elsewhere = false, own = [], ca, verifySignatures }: BuildRequestOptions = {},
): Promise<BuildRequest> {
  const written = elsewhere ? [] : ownFolders(options, environment);
  const named = options.file === undefined ? undefined : await readFile(options.file);
  const repository = named || elsewhere ? undefined : await lookIntoRepository(operands.repository, {
    ref: options.ref,
    dirty: options.dirty === true,
    own: written,
    environment,
  });
  // What a refused request has made of the working tree.
  using open = new DisposableStack();
  open.use(repository?.local.dirty);
  const file = named ?? repository?.file;
  checkName(file, { isHere: !elsewhere });
  const pipeline = pipelineOf(file?.pipeline, own, { isHere: !elsewhere });
  const variables = options.envFile ? await readEnvFiles(options.envFile, environment) : [];
  const laidOver = async (spec: Record<string, unknown>, { isWhole }: { isWhole: boolean }) =>
    await withFields(specOfFlags(spec, options, operands.command, environment, variables), options.set, {
      isWhole,
    });
  const flags = await laidOver({}, { isWhole: false });
  const spec = {
    ...await laidOver(file?.spec ?? {}, { isWhole: true }),
    ...ca !== undefined && { ca },
    ...verifySignatures !== undefined && { verifySignatures },
    repository: repositoryOf(operands, file?.spec.repository, options.file),
  };
  const allowEnv = (options.env ?? []).filter(({ value }) => value === undefined).map(({ name }) => name);
  const allowNetworks = typeof flags.network === "string" ? [flags.network] : [];
  if (elsewhere) checkReachable(spec.repository, operands);
  if (file) {
    const asked = { flags, env: allowEnv, folder: operands.repository ?? "." };
    checkFileRequests({ ...file.spec, repository: spec.repository }, asked, {
      elsewhere,
      fileName: repository?.fileName,
    });
  }
  const plan = planWith(file, spec, {
    ...NO_LIMITS,
    ...elsewhere ? othersToAllow(spec) : { allowNetworks, allowEnv, allowPrivileged: false, environment },
    allowLocalRepository: !elsewhere,
    maxPids: elsewhere ? undefined : Math.max(options.pids ?? 0, DEFAULT_PIDS),
  });
  checkOwnSpecs(file, spec, own, pipeline);
  const secrets = secretsOf(plan.spec.secrets, environment);
  checkNoSecretIn(spec, secrets);
  const runsCommands = pipeline.steps.some(({ driver }) => driver === "builder");
  if (repository && runsCommands) checkSaysWhatToRun(repository, spec);
  const local = await pinned(plan, { own: written, environment }, repository?.local);
  const isImageChosen = flags.image !== undefined || file?.spec.image === undefined;
  open.move();
  return {
    resource: resourceOf(file, plan, spec, pipeline),
    plan,
    pipeline,
    storedPipeline: typeof file?.pipeline === "string" ? file.pipeline : undefined,
    secrets,
    allowEnv,
    allowNetworks,
    trustedImages: isImageChosen ? [plan.spec.image] : [],
    local,
    fileName: repository?.fileName,
    assumed: whatIsAssumed(spec, {
      repository,
      isFileNamed: named !== undefined,
      image: plan.spec.image,
    }),
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

/** Throws InputError where the file names a pipeline that cannot be looked up. */
function checkName(file: ResourceFile | undefined, where: { isHere: boolean }): void {
  const why = whyNoName(file?.pipeline, where);
  if (why === undefined) return;
  throw new InputError(file?.locate({ path: ["pipeline"], text: why }, file.pipeline) ?? why);
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

/** Returns the last part of the repository's address, with characters that are valid everywhere. */
function nameOf({ repository }: Plan): string {
  const address = repository.kind === "local" ? repository.path : repository.url;
  const name = basename(withoutTrailing(address, "/?#")).replace(/\.git$/, "").replace(
    /[^A-Za-z0-9._-]+/g,
    "-",
  );
  return name || "build";
}
