import { resolve } from "node:path";
import { InputError } from "../../../base/errors.ts";
import { formatSize, parseSize } from "../../../base/units.ts";
import { parseRepository } from "../../../build/repository.ts";
import type { BuildSpec } from "../../../build/spec.ts";
import { DEFAULT_PIDS } from "../../../build/policy.ts";
import { DEFAULT_LIMITS } from "../../../driver/default-limits.ts";

/** What a field of a spec file can reach. */
type Reach =
  /** Only the build's own container, network and registry access: any value is allowed. */
  | "the build"
  /** The caller's environment and files: always refused. */
  | "the caller"
  /** The machine with Docker: refused if it is the caller's; otherwise its operator decides. */
  | "the machine";

interface Rule {
  readonly reach: Reach;
  /**
   * Returns one problem for each thing that the command line would have to name. Values that the schema
   * refuses give no problem here.
   */
  readonly problems?: (value: unknown, asked: Asked) => string[];
}

/** What the command line allows by name. */
export interface Asked {
  /** The spec from the flags alone, without the file. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The variables named with `-e NAME`. */
  readonly env: readonly string[];
  /** The folder to build if neither the file nor the command line names a repository. */
  readonly folder: string;
}

/**
 * The rules for the fields of a spec: what a file may ask for by itself, and what the command line must name.
 */
export const FILE_RULES: Readonly<Record<keyof BuildSpec, Rule>> = {
  repository: {
    reach: "the caller",
    problems(value, { folder }) {
      if (typeof value !== "string" || !isElsewhereHere(value, folder)) return [];
      return [
        `spec.repository: The folder "${value}" is not one that the file may choose: name it on the command line`,
      ];
    },
  },
  env: {
    reach: "the machine",
    problems: (value, { env }) =>
      listed(value).flatMap((entry, i) => {
        const wanted = typeof entry === "object" && entry !== null && "valueFrom" in entry && entry.valueFrom;
        if (typeof wanted !== "string" || env.includes(wanted)) return [];
        return [
          `spec.env.${i}.valueFrom: The variable "${wanted}" is not one that the file may read: allow it with -e ${wanted}`,
        ];
      }),
  },
  secrets: {
    reach: "the caller",
    problems: (value, { flags }) =>
      listed(value).flatMap((name, i) => {
        if (typeof name !== "string" || listed(flags.secrets).includes(name)) return [];
        return [
          `spec.secrets.${i}: The variable "${name}" is not one that the file may take: allow it with --secret ${name}`,
        ];
      }),
  },
  network: {
    reach: "the machine",
    problems(value, { flags }) {
      if (typeof value !== "string" || ["bridge", "none"].includes(value) || flags.network !== undefined) {
        return [];
      }
      return [
        `spec.network: The network "${value}" is not one that the file may choose: allow it with --network ${value}`,
      ];
    },
  },
  keep: {
    reach: "the machine",
    problems(value, { flags }) {
      if (!["failure", "always"].includes(value as string) || flags.keep !== undefined) return [];
      return [`spec.keep: The file may not leave a container here: allow it with --keep ${value}`];
    },
  },
  privileged: {
    reach: "the machine",
    problems: (value) =>
      value === true ? ["spec.privileged: A privileged container is not one that the file may ask for"] : [],
  },
  cacheScope: {
    reach: "the caller",
    problems(value, { flags }) {
      if (typeof value !== "string" || flags.cacheScope !== undefined) return [];
      return [
        `spec.cacheScope: The scope "${value}" is not one that the file may choose: allow it with --cache-scope ${value}`,
      ];
    },
  },
  limits: {
    reach: "the machine",
    problems(value, { flags }) {
      const asked = typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
      const typed = (flags.limits ?? {}) as Record<string, unknown>;
      return Object.entries(FILE_LIMITS).flatMap(([name, limit]) => {
        const wanted = name in typed || limit === undefined ? undefined : amountOf(asked[name]);
        if (limit === undefined || wanted === undefined || wanted <= limit.most) return [];
        return [
          `spec.limits.${name}: ${limit.shown(wanted)} is more than the ${
            limit.shown(limit.most)
          } that the file may ask for: allow it with ${limit.flag} ${asked[name]}`,
        ];
      });
    },
  },
  cache: { reach: "the build" },
  services: { reach: "the build" },
  dirty: {
    reach: "the caller",
    problems: (value, { flags }) =>
      value === true && flags.dirty !== true
        ? ["spec.dirty: The working tree is not what the file may choose: allow it with --dirty"]
        : [],
  },
  ca: { reach: "the build" },
  verifySignatures: { reach: "the build" },
  image: { reach: "the build" },
  pull: { reach: "the build" },
  user: { reach: "the build" },
  commands: { reach: "the build" },
  script: { reach: "the build" },
  shell: { reach: "the build" },
  ref: { reach: "the build" },
  depth: { reach: "the build" },
  submodules: { reach: "the build" },
  lfs: { reach: "the build" },
  sparse: { reach: "the build" },
  workdir: { reach: "the build" },
  drivers: { reach: "the build" },
  artifacts: { reach: "the build" },
  reports: { reach: "the build" },
  timeout: { reach: "the build" },
  grace: { reach: "the build" },
  restart: { reach: "the build" },
};

interface FileLimit {
  readonly most: number;
  readonly flag: string;
  readonly shown: (amount: number) => string;
}

/**
 * Limits for what a file may use of this machine. Docker's host bounds CPUs and memory, but not processes or
 * storage.
 */
export const FILE_LIMITS: Readonly<Record<keyof BuildSpec["limits"], FileLimit | undefined>> = {
  cpus: undefined,
  memory: undefined,
  pids: { most: DEFAULT_PIDS, flag: "--pids", shown: String },
  log: { most: DEFAULT_LIMITS.maxLogBytes, flag: "--max-log", shown: formatSize },
  artifacts: { most: DEFAULT_LIMITS.maxArtifactBytes, flag: "--max-artifacts", shown: formatSize },
};

/**
 * Throws InputError, one problem a line, if a file's spec asks for something of the caller that the command
 * line does not name. Unless the build runs `elsewhere`, the same applies to this machine. `fileName`: for a
 * file that the command line does not name.
 */
export function checkFileRequests(
  spec: Readonly<Record<string, unknown>>,
  asked: Asked,
  { elsewhere, fileName }: { elsewhere: boolean; fileName?: string | undefined },
): void {
  const problems = Object.entries(FILE_RULES).flatMap(([field, { reach, problems }]) => {
    const isForOthers = elsewhere && reach === "the machine";
    return isForOthers || !problems || spec[field] === undefined ? [] : problems(spec[field], asked);
  });
  const shown = fileName === undefined ? problems : problems.map((problem) => `${fileName}: ${problem}`);
  if (problems.length > 0) throw new InputError(shown.join("\n"));
}

/** Whether a repository is a folder of this machine other than `folder`. */
function isElsewhereHere(repository: string, folder: string): boolean {
  const parsed = parseRepository(repository);
  return parsed.kind === "local" && resolve(parsed.path) !== resolve(folder);
}

function amountOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  try {
    return typeof value === "string" ? parseSize(value) : undefined;
  } catch {
    return undefined;
  }
}

const listed = (value: unknown): unknown[] => Array.isArray(value) ? value : [];
