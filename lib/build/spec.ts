import { z } from "zod";
import { parseDuration, parseSize } from "../base/units.ts";

/** The resource type of the tutorial, and what its builds use where a spec says nothing. */
export const FLUTTER_BUILDER = "flutter-builder";
export const FLUTTER_DEFAULTS = {
  image: "ghcr.io/cirruslabs/flutter:3.38.5",
  commands: ["flutter pub get", "flutter build apk --release"],
  artifacts: ["build/app/outputs/flutter-apk/*.apk"],
} as const;

const DEFAULT_TIMEOUT_MS = 3_600_000;

/** A number of seconds or a text like `30m`; milliseconds afterwards. */
const duration = z.union([
  z.number().nonnegative().transform((seconds) => Math.round(seconds * 1000)),
  text(parseDuration),
]);
/** A number of bytes or a text like `4g`; bytes afterwards. */
const size = z.union([z.int().nonnegative(), text(parseSize)]);
const envName = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  "expected a variable's name: letters, digits and _",
);
const noNul = (what: string) =>
  z.string().refine((value) => !value.includes("\0"), `expected ${what} without NUL`);

const EnvEntry = z.union([
  z.strictObject({ name: envName, value: noNul("a value") }),
  /** The value of a variable of the driver's own environment, if its operator allowed that name. */
  z.strictObject({ name: envName, valueFrom: envName }),
]);

const Command = z.union([noNul("a command").min(1), z.array(noNul("arguments")).min(1)]);

/**
 * `spec` of a `flutter-builder`: the tutorial's `repository` and `env`, and everything that makes the same drivers build
 * anything else. Unknown keys are refused, since a mistyped key that is ignored is a silent guess.
 */
export const BuildSpec = z.strictObject({
  /** An https or ssh URL; a local path only where the run allows it. */
  repository: noNul("a repository").min(1, "expected the URL of a git repository"),
  env: z.array(EnvEntry).default([]),
  image: z.string().min(1).default(FLUTTER_DEFAULTS.image),
  pull: z.enum(["missing", "always", "never"]).default("missing"),
  user: z.string().min(1).optional(),
  /** A string is one `sh -ec`; an array is a program and its arguments. `cd` and `export` do not carry over. */
  commands: z.array(Command).min(1).default(() => [...FLUTTER_DEFAULTS.commands]),
  /** Branch, tag, or full or short commit; the remote's HEAD without it. */
  ref: noNul("a ref").min(1).optional(),
  /** Commits of history; 0 means all. */
  depth: z.int().min(0).default(1),
  submodules: z.boolean().default(false),
  /** Folder below /workspace in which commands run and artifact globs start. */
  workdir: z.string().optional(),
  artifacts: z.array(noNul("a glob").min(1)).default(() => [...FLUTTER_DEFAULTS.artifacts]),
  /** Milliseconds for the whole run, from its first claim. */
  timeout: duration.default(DEFAULT_TIMEOUT_MS),
  limits: z.strictObject({
    cpus: z.number().positive().optional(),
    /** 0 would be no limit at all to Docker. */
    memory: size.refine((bytes) => bytes > 0, "expected more than 0").optional(),
    pids: z.int().positive().optional(),
    /** Log kept of each step, and artifacts kept of the run: bytes. The operator's limit without it. */
    log: size.optional(),
    artifacts: size.optional(),
  }).default({}),
  /** From TERM to KILL in the container, milliseconds. The operator's without it. */
  grace: duration.optional(),
  /** Whether the container stays for a look; anything but `never` is refused unless the operator allowed it. */
  keep: z.enum(["never", "failure", "always"]).default("never"),
  /** `bridge` is the isolated bridge; any other name than `none` must be allowed by the operator. */
  network: z.string().min(1).default("bridge"),
  /** Everything the kernel allows; refused unless the operator allowed it. */
  privileged: z.boolean().default(false),
  /** How often a run whose driver was lost may start again in a fresh container. */
  restart: z.int().min(0).max(10).default(0),
  /** Names of secrets that travel beside the resource; each becomes a variable of the commands. */
  secrets: z.array(envName).default([]),
  /** Reserved. */
  cache: z.array(z.unknown()).max(0, "expected nothing: cache is reserved for a later version").default([]),
  /** What further drivers of a pipeline want to be told, by their names. The four drivers pass over it. */
  drivers: z.looseObject({}).optional(),
});
export type BuildSpec = z.infer<typeof BuildSpec>;

/**
 * The spec with its defaults. Flutter's artifacts are the default of Flutter's commands only: who names commands and no
 * artifacts keeps nothing.
 */
export function parseBuildSpec(spec: unknown): z.ZodSafeParseResult<BuildSpec> {
  const parsed = BuildSpec.safeParse(spec);
  if (!parsed.success || typeof spec !== "object" || spec === null) return parsed;
  if ("commands" in spec && !("artifacts" in spec)) parsed.data.artifacts = [];
  return parsed;
}

/** A schema for texts that `parse` understands; its error message becomes the issue. */
function text(parse: (text: string) => number) {
  return z.string().transform((value, context) => {
    try {
      return parse(value);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}
