import manifest from "../../../../package.json" with { type: "json" };

/** How a program was built. */
export interface BuildFacts {
  readonly version: string;
  /** The first twelve digits, with `-dirty` if there were uncommitted changes. */
  readonly commit?: string;
  /** The system that it was compiled for: `linux-x64-musl`. */
  readonly target?: string;
}

/** Inserted by `scripts/build` and `scripts/release`. */
declare const CONVEYOR_BUILD: BuildFacts | undefined;

/**
 * Returns the version of this package. Its manifest is imported, so that compilers and bundlers include it.
 */
export const version = (): string => buildFacts().version;

/**
 * Returns what `--version` prints: the version, commit and target on one line, or as JSON. `own` is the
 * version of a driver that is not ours.
 */
export function versionText(name: string, asJson: boolean, own = version()): string {
  const { version: shown, commit, target } = own === version()
    ? buildFacts()
    : { version: own } as BuildFacts;
  if (asJson) return JSON.stringify({ name, version: shown, commit: commit ?? null, target: target ?? null });
  if (target === undefined) return shown;
  return `${shown} (${[...commit === undefined ? [] : [`commit ${commit}`], target].join(", ")})`;
}

const buildFacts = (): BuildFacts =>
  typeof CONVEYOR_BUILD === "object" ? CONVEYOR_BUILD : { version: manifest.version };
