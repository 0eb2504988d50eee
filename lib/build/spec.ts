import { z } from "zod";
import { ArtifactEntry } from "./artifacts/wanted.ts";
import { CacheLines, CacheScope } from "./cache/spec.ts";
import { Command, duration, envName, size } from "./fields.ts";
import { SparseFolders } from "./git/sparse-folders.ts";
import { noNul } from "./no-nul.ts";
import { Services } from "./services/spec.ts";
import { ReportEntry } from "./reports/report-schema.ts";
import { Shell } from "./shell.ts";
import { parseForeign } from "../wire/issues.ts";

export { FLUTTER_BUILDER } from "./flutter-builder.ts";

/** Defaults for what a spec omits. */
export const FLUTTER_DEFAULTS = {
  image: "ghcr.io/cirruslabs/flutter:3.38.5",
  commands: ["flutter pub get", "flutter build apk --release"],
  artifacts: ["build/app/outputs/flutter-apk/*.apk"],
} as const;

const DEFAULT_TIMEOUT_MS = 3_600_000;

const EnvEntry = z.union([
  z.strictObject({ name: envName, value: noNul("a value") }),
  /** The value of a variable of the driver's environment, if the operator allows its name. */
  z.strictObject({ name: envName, valueFrom: envName }),
]);

/**
 * `spec` of a `flutter-builder`: the tutorial's `repository` and `env`, and options to build anything else
 * with the same drivers. Unknown keys are errors: ignoring a mistyped key would be a silent guess.
 */
export const BuildSpec = z.strictObject({
  repository: noNul("a repository").min(1, "expected the URL of a git repository").describe(
    "URL of the git repository, https or ssh; a folder only with `flutter-ci run`",
  ),
  env: z.array(EnvEntry).default([]).describe(
    "variables of the commands: `{name, value}`, or `{name, valueFrom}` for a variable of the driver's own environment that its operator allowed",
  ),
  image: z.string().min(1).default(FLUTTER_DEFAULTS.image).describe("image to build in"),
  pull: z.enum(["missing", "always", "never"]).default("missing").describe("when the image is pulled"),
  user: z.string().min(1).optional().describe("user to run as; the image's without it"),
  commands: z.array(Command).min(1).default(() => [...FLUTTER_DEFAULTS.commands]).describe(
    "run in order, up to the first that fails: a text is one `shell`, a list is a program and its arguments; `cd` and `export` do not carry over",
  ),
  script: noNul("a script").min(1).optional().describe(
    "in the place of `commands`: lines that share one shell, so that `cd` and `export` carry over",
  ),
  shell: Shell.default("sh").describe(
    "what runs a text: `sh` (`/bin/sh -ec`), `bash` (`bash -eo pipefail -c`), or a list of words that the text is added to",
  ),
  ca: noNul("certificates").optional().describe(
    "certificate authorities, as the text of a PEM file, that git and the commands trust beside the image's",
  ),
  ref: noNul("a ref").min(1).optional().describe(
    "branch, tag, or full or short commit; the remote's HEAD without it",
  ),
  verifySignatures: noNul("signers").optional().describe(
    "whose signature the commit needs, as the text of ssh's allowed-signers file or of OpenPGP public keys; none without it",
  ),
  dirty: z.boolean().default(false).describe(
    "build the working tree of a local repository as it is, instead of a commit; only with `flutter-ci run --dirty`",
  ),
  depth: z.int().min(0).default(1).describe("commits of history, 0 for all"),
  submodules: z.boolean().default(false).describe(
    "whether submodules are checked out too; those of a local repository come from its git folder where they lie there",
  ),
  lfs: z.boolean().default(false).describe(
    "whether files of Git LFS are checked out with their content; the image needs git-lfs",
  ),
  sparse: SparseFolders.default([]).describe(
    "folders to check out, with the files right in the folders above them; all without it",
  ),
  workdir: z.string().optional().describe(
    "folder below /workspace in which commands run and artifact globs start",
  ),
  artifacts: z.array(ArtifactEntry).default(() => [...FLUTTER_DEFAULTS.artifacts]).describe(
    "globs of the files to keep: a text, or `{glob, when, allowEmpty}`; none where only commands are given",
  ),
  reports: z.array(ReportEntry).max(20).default([]).describe(
    "test reports to sum up, however the commands end: `{junit}`, a glob of JUnit's XML files",
  ),
  timeout: duration.default(DEFAULT_TIMEOUT_MS).describe(
    "of the whole run, from its first claim: seconds, or a text like `30m`; an hour without it",
  ),
  limits: z.strictObject({
    cpus: z.number().positive().optional().describe("CPUs to use; all without it"),
    // To Docker, 0 means no limit.
    memory: size.refine((bytes) => bytes > 0, "expected more than 0").optional().describe(
      "memory, without swap on top: bytes, or a text like `4g`; 80 % of Docker's over its slots without it",
    ),
    pids: z.int().positive().optional().describe("processes and threads at once; 4096 without it"),
    log: size.optional().describe(
      "log kept of each step: bytes, or a text like `1g`; the operator's limit without it",
    ),
    artifacts: size.optional().describe(
      "artifacts kept of the run: bytes, or a text like `1g`; the operator's limit without it",
    ),
  }).default({}).describe("limits of the container and of what is kept"),
  grace: duration.optional().describe(
    "from TERM to KILL in the container: seconds, or a text like `10s`; the operator's without it",
  ),
  keep: z.enum(["never", "failure", "always"]).default("never").describe(
    "whether the container stays for a look; anything but `never` is refused unless the operator allowed it",
  ),
  network: z.string().min(1).default("bridge").describe(
    "`bridge` is an isolated bridge; any other name than `none` must be allowed by the operator",
  ),
  privileged: z.boolean().default(false).describe(
    "everything that the kernel allows; refused unless the operator allowed it",
  ),
  restart: z.int().min(0).max(10).default(0).describe(
    "how often a run whose driver was lost may start again in a fresh container",
  ),
  secrets: z.array(envName).default([]).describe(
    "names of secrets, which travel beside the resource; each becomes a variable of the commands",
  ),
  services: Services,
  cache: CacheLines,
  cacheScope: CacheScope.optional().describe(
    "whose caches are read first, and written; the ref's without it",
  ),
  drivers: z.looseObject({}).optional().describe(
    "what further drivers of a pipeline want to be told, by their names; the four drivers pass over it",
  ),
});
export type BuildSpec = z.infer<typeof BuildSpec>;

/**
 * Parses a spec and fills in its defaults. Flutter's artifacts are the default for Flutter's commands only: a
 * spec with `commands` and without `artifacts` keeps nothing.
 */
export function parseBuildSpec(spec: unknown): z.ZodSafeParseResult<BuildSpec> {
  const parsed = parseForeign(BuildSpec, spec);
  if (!parsed.success || typeof spec !== "object" || spec === null) return parsed;
  const { script } = parsed.data;
  if (script !== undefined && !("commands" in spec)) parsed.data.commands = [script];
  if (("commands" in spec || script !== undefined) && !("artifacts" in spec)) parsed.data.artifacts = [];
  return parsed;
}
