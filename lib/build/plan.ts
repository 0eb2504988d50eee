import { InputError, StepFailure } from "../base/errors.ts";
import { formatDuration, formatSize } from "../base/units.ts";
import { parseImageName } from "../docker/image-name.ts";
import type { DriverSettings } from "../driver/driver.ts";
import type { BuildPolicy } from "./policy.ts";
import { BuildSpec, parseBuildSpec } from "./spec.ts";
import { issuesOf, type Problem } from "../wire/issues.ts";
import { type Glob, isChosen, parseGlobs } from "../base/glob/glob.ts";
import { type Authorities, parseAuthorities } from "./authorities/parse.ts";
import { parseWanted, type WantedGlob } from "./artifacts/wanted.ts";
import { checkCaches } from "./cache/spec.ts";
import { type ServiceLimits, serviceLimits } from "./services/limits.ts";
import { parseSigners, type Signers } from "./signatures/parse.ts";
import { checkServices, type Service } from "./services/spec.ts";
import { checkRef, parseRepository, type Repository } from "./repository.ts";

/** A build to run: a valid spec within the operator's limits. */
export interface Plan {
  readonly spec: BuildSpec;
  readonly repository: Repository;
  /** Variables of the commands, with `valueFrom` resolved. Secrets are not included. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path in the container. */
  readonly workdir: string;
  /** The artifacts to keep; their globs are relative to the workdir. */
  readonly artifacts: readonly WantedGlob[];
  /** Globs of the test reports, relative to the workdir. */
  readonly reports: readonly Glob[];
  readonly services: readonly PlannedService[];
  /** Authorities that git and the commands trust beside the image's and the operator's. */
  readonly authorities?: Authorities | undefined;
  /** Whose signature the commit needs, besides those that the operator asks for. */
  readonly signers?: Signers | undefined;
}

/** A service with its limits within the operator's. */
export type PlannedService = Omit<Service, "limits"> & { readonly limits: ServiceLimits };

/** The operator's settings and policy that limit what a spec may ask for. */
export type Allowed =
  & Pick<DriverSettings, "maxTimeoutMs" | "maxLogBytes" | "maxArtifactBytes" | "graceMs">
  & Pick<
    BuildPolicy,
    | "allowImages"
    | "allowNetworks"
    | "allowEnv"
    | "allowPrivileged"
    | "allowKeep"
    | "allowLocalRepository"
    | "environment"
    | "signers"
    | "maxCpus"
    | "maxMemory"
    | "maxPids"
  >;

export const WORKSPACE = "/workspace";

/** A spec is not valid, or asks for more than is allowed: one line for each problem. */
export class PlanError extends InputError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ text }) => text).join("\n"));
    this.problems = problems;
  }
}

/** Returns the plan for a resource's spec. Throws PlanError. */
export function planBuild(spec: unknown, allowed: Allowed): Plan {
  const parsed = parseBuildSpec(spec);
  if (!parsed.success) throw new PlanError(issuesOf(parsed.error, spec, "spec", { schema: BuildSpec }));
  const breaches: Problem[] = [];
  const breach = (place: string, message: string) =>
    breaches.push({ path: place.split(".").slice(1), text: `${place}: ${message}` });
  const attempt = <T>(place: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      breach(place, error.message);
      return undefined;
    }
  };
  const { repository: text, ref, image, network, limits, timeout, grace } = parsed.data;
  const repository = attempt("spec.repository", () => allowedRepository(text, allowed));
  if (ref !== undefined) attempt("spec.ref", () => checkRef(ref));
  if (parsed.data.dirty) attempt("spec.dirty", () => checkWorkTree(parsed.data, repository));
  if (parsed.data.script !== undefined && Object.hasOwn(spec as object, "commands")) {
    breach("spec.script", "It stands beside commands: expected one of them");
  }
  const workdir = attempt("spec.workdir", () => insideWorkspace(parsed.data.workdir ?? ""));
  const artifacts = attempt("spec.artifacts", () => parseWanted(parsed.data.artifacts));
  const reports = attempt("spec.reports", () => parseGlobs(parsed.data.reports.map(({ junit }) => junit)));
  const env = attempt("spec.env", () => variables(parsed.data, allowed));
  const { ca } = parsed.data;
  const authorities = ca === undefined ? undefined : attempt("spec.ca", () => parseAuthorities(ca));
  const { verifySignatures, dirty } = parsed.data;
  const signers = verifySignatures === undefined
    ? undefined
    : attempt("spec.verifySignatures", () => parseSigners(verifySignatures));
  if (dirty && (signers ?? allowed.signers)) {
    breach("spec.dirty", "A working tree has no signature, which every build needs here: expected a commit");
  }
  attempt("spec.cache", () => checkCaches(parsed.data.cache));
  attempt("spec.services", () => checkServices(parsed.data.services, parsed.data));
  const serviceShares = attempt("spec.services", () => serviceLimits(parsed.data.services, allowed));
  for (const [i, { image, limits }] of parsed.data.services.entries()) {
    attempt(`spec.services.${i}.image`, () => checkImage(image, allowed.allowImages));
    attempt(`spec.services.${i}.limits.cpus`, () => atMost(limits.cpus, allowed.maxCpus, String));
    attempt(`spec.services.${i}.limits.memory`, () => atMost(limits.memory, allowed.maxMemory, formatSize));
    attempt(`spec.services.${i}.limits.pids`, () => atMost(limits.pids, allowed.maxPids, String));
  }
  attempt("spec.image", () => checkImage(image, allowed.allowImages));
  attempt("spec.network", () => checkNetwork(network, allowed.allowNetworks));
  if (parsed.data.privileged && !allowed.allowPrivileged) {
    breach("spec.privileged", "A privileged container is not allowed here: expected false");
  }
  if (parsed.data.keep !== "never" && !allowed.allowKeep) {
    breach(
      "spec.keep",
      'A container is not left for a look here: expected "never", or an operator who allows it with --allow-keep',
    );
  }
  attempt("spec.limits.cpus", () => atMost(limits.cpus, allowed.maxCpus, String));
  attempt("spec.limits.memory", () => atMost(limits.memory, allowed.maxMemory, formatSize));
  attempt("spec.limits.pids", () => atMost(limits.pids, allowed.maxPids, String));
  attempt("spec.limits.log", () => atMost(limits.log, allowed.maxLogBytes, formatSize));
  attempt("spec.limits.artifacts", () => atMost(limits.artifacts, allowed.maxArtifactBytes, formatSize));
  attempt("spec.timeout", () => atMost(timeout, allowed.maxTimeoutMs, formatDuration));
  attempt("spec.grace", () => atMost(grace, allowed.graceMs, formatDuration));
  if (
    breaches.length > 0 || !repository || workdir === undefined || !artifacts || !reports || !env ||
    !serviceShares
  ) {
    throw new PlanError(breaches);
  }
  const services = parsed.data.services.flatMap((service, i) => {
    const limits = serviceShares[i];
    return limits ? [{ ...service, limits }] : [];
  });
  return { spec: parsed.data, repository, env, workdir, artifacts, reports, authorities, signers, services };
}

/** Like `planBuild`, but throws StepFailure `invalid-spec`. */
export function planStep(spec: unknown, allowed: Allowed): Plan {
  try {
    return planBuild(spec, allowed);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new StepFailure(error.message, { reason: "invalid-spec", cause: error });
  }
}

function allowedRepository(text: string, allowed: Allowed): Repository {
  const repository = parseRepository(text);
  if (repository.kind === "local" && !allowed.allowLocalRepository) {
    throw new InputError(
      `Local repository ${JSON.stringify(text)} is not allowed here: expected an https or ssh URL`,
    );
  }
  return repository;
}

function checkWorkTree({ ref }: BuildSpec, repository: Repository | undefined): void {
  if (repository?.kind === "remote") {
    throw new InputError("Only a folder of this machine has a working tree: expected false");
  }
  if (ref !== undefined) {
    throw new InputError(`The working tree is not the ref "${ref}": expected one of them`);
  }
}

/**
 * Returns the absolute path of a folder in the workspace. Throws InputError if `path` is absolute or has
 * "..".
 */
function insideWorkspace(path: string): string {
  if (path.startsWith("/") || path.split("/").includes("..")) {
    throw new InputError(
      `Invalid path ${JSON.stringify(path)}: expected a folder below ${WORKSPACE}, relative and without ".."`,
    );
  }
  const plain = path.split("/").filter((segment) => segment !== "" && segment !== ".").join("/");
  return plain === "" ? WORKSPACE : `${WORKSPACE}/${plain}`;
}

function variables(spec: BuildSpec, allowed: Allowed): Record<string, string> {
  const env: Record<string, string> = {};
  for (const entry of spec.env) {
    if ("value" in entry) {
      env[entry.name] = entry.value;
      continue;
    }
    if (!allowed.allowEnv.includes(entry.valueFrom)) {
      throw new InputError(
        `The variable "${entry.valueFrom}" is not one that a spec may read: its operator allows it with --allow-env`,
      );
    }
    const value = allowed.environment[entry.valueFrom];
    if (value === undefined) {
      throw new InputError(`The variable "${entry.valueFrom}" is not set where the driver runs`);
    }
    env[entry.name] = value;
  }
  return env;
}

/**
 * Throws InputError if the operator does not allow the image. A glob matches the image's name as written, or
 * its full name: `debian:12` is `docker.io/library/debian:12`.
 */
function checkImage(image: string, allowed: readonly string[]): void {
  const { registry, repository, tag, digest } = parseImageName(image);
  const full = `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${
    digest === undefined ? "" : `@${digest}`
  }`;
  if (allowed.length === 0) return;
  const globs = parseGlobs(allowed, { isExact: true });
  if ([image, full].some((name) => isChosen(globs, name))) return;
  throw new InputError(`The image "${image}" is not allowed here: expected one of ${allowed.join(", ")}`);
}

function checkNetwork(network: string, allowed: readonly string[]): void {
  if (["bridge", "none", ...allowed].includes(network)) return;
  throw new InputError(
    `The network "${network}" is not allowed here: expected ${["bridge", "none", ...allowed].join(", ")}`,
  );
}

function atMost(value: number | undefined, most: number | undefined, format: (n: number) => string): void {
  if (value === undefined || most === undefined || value <= most) return;
  throw new InputError(`${format(value)} is more than the ${format(most)} that are allowed here`);
}
