import manifest from "../../../../package.json" with { type: "json" };

/** What a program is made of. */
export interface BuildFacts {
  readonly version: string;
  /** The first twelve digits, `-dirty` behind them where not all was committed. */
  readonly commit?: string;
  /** The system it was compiled for: `linux-x64-musl`. */
  readonly target?: string;
}

/** Put in by `scripts/build` and `scripts/release`. */
declare const CONVEYOR_BUILD: BuildFacts | undefined;

/** The version of this package. Its manifest is imported, so that compilers and bundlers take it along without being told. */
export const version = (): string => buildFacts().version;

/**
 * What `--version` prints: the version first, on a line of its own with commit and target; as JSON for tools. A driver of somebody
 * else's has an `own` one.
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
