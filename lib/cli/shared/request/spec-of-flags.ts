import { InputError } from "../../../base/errors.ts";
import { FLUTTER_DEFAULTS } from "../../../build/spec.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import type { BuildOptions } from "./build-flags.ts";
import type { Variable } from "./env-file.ts";

/** The flags that belong to the spec. */
export type SpecFlags = Omit<BuildOptions, "file" | "output" | "gitToken" | "envFile" | "set">;

/**
 * Returns a spec with the flags merged into it; flags that are not given change nothing. `command`: the words
 * after "--"; `variables`: those of files, which a variable that is named by a flag overrides. Throws
 * InputError for variables that are not set here.
 */
export function specOfFlags(
  spec: Readonly<Record<string, unknown>>,
  flags: SpecFlags,
  command: readonly string[] | undefined,
  environment: Environment,
  variables: readonly Variable[] = [],
): Record<string, unknown> {
  if (command && flags.command) {
    throw new InputError('A command was given twice, with -c and after "--": expected one of them');
  }
  // A variable that is also named as a secret is sent as a secret.
  const env = flags.env?.filter(({ name, value }) => value !== undefined || !flags.secret?.includes(name));
  const { script, ...others } = spec;
  return {
    ...others,
    ...given({
      script: command || flags.command ? undefined : script,
      ref: flags.ref,
      dirty: flags.dirty,
      depth: flags.depth,
      submodules: flags.submodules,
      lfs: flags.lfs,
      image: flags.image,
      pull: flags.pull,
      commands: command ? [command] : flags.command,
      workdir: flags.workdir,
      env: envOf(spec.env, { typed: env, fromFiles: variables, environment }),
      secrets: flags.secret && [...new Set([...listed(spec.secrets), ...flags.secret])],
      artifacts: artifacts(spec, flags, command),
      cache: flags.cache && [...without(spec.cache, flags.cache), ...flags.cache],
      cacheScope: flags.cacheScope,
      timeout: flags.timeout,
      grace: flags.grace,
      keep: flags.keep,
      limits: limits(spec.limits, flags),
      network: flags.network,
      user: flags.user,
    }),
  };
}

/**
 * Returns the artifacts that flags name. `--artifact-always` adds to what is kept without it, `--artifact`
 * replaces that.
 */
function artifacts(
  spec: Readonly<Record<string, unknown>>,
  { artifact, artifactAlways, command: lines }: SpecFlags,
  command: readonly string[] | undefined,
): unknown {
  if (!artifactAlways) return artifact;
  const isFlutter = !command && !lines && spec.commands === undefined && spec.script === undefined;
  const others = artifact ?? spec.artifacts ?? (isFlutter ? FLUTTER_DEFAULTS.artifacts : []);
  if (!Array.isArray(others)) return others;
  return [...others, ...artifactAlways.map((glob) => ({ glob, when: "always" }))];
}

function limits(inSpec: unknown, flags: SpecFlags): unknown {
  const { cpus, memory, pids, maxLog, maxArtifacts } = flags;
  const typed = given({ cpus, memory, pids, log: maxLog, artifacts: maxArtifacts });
  if (Object.keys(typed).length === 0) return undefined;
  return typeof inSpec === "object" && inSpec !== null ? { ...inSpec, ...typed } : typed;
}

/** Returns the variables of a spec with those of the command line; undefined if that names none. */
function envOf(
  inSpec: unknown,
  { typed = [], fromFiles, environment }: {
    typed: SpecFlags["env"];
    fromFiles: readonly Variable[];
    environment: Environment;
  },
): unknown[] | undefined {
  if (typed.length === 0 && fromFiles.length === 0) return undefined;
  const others = fromFiles.filter(({ name }) => !typed.some((variable) => variable.name === name));
  return [...without(inSpec, [...typed, ...others]), ...others, ...variables(typed, environment)];
}

/** Returns the entries of a spec whose names were not given on the command line. */
function without(inSpec: unknown, typed: readonly { readonly name: string }[]): unknown[] {
  return listed(inSpec).filter((entry) => {
    const name = typeof entry === "object" && entry !== null && "name" in entry ? entry.name : undefined;
    return !typed.some((one) => one.name === name);
  });
}

function variables(
  typed: NonNullable<SpecFlags["env"]>,
  environment: Environment,
): { name: string; value: string }[] {
  const missing = typed.filter(({ name, value }) => value === undefined && environment[name] === undefined);
  if (missing.length > 0) {
    throw new InputError(
      missing.map(({ name }) =>
        `--env: The variable "${name}" is not set here: expected a value, like ${name}=…`
      )
        .join("\n"),
    );
  }
  return typed.map(({ name, value }) => ({ name, value: value ?? environment[name] ?? "" }));
}

const listed = (value: unknown): unknown[] => Array.isArray(value) ? value : [];

function given(entries: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}
