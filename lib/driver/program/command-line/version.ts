import { readFileSync } from "node:fs";
import { parseOwnJson } from "../../../base/json.ts";

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

/** The version in package.json: built in where we are compiled, read where we run from source. */
export const version = (): string => buildFacts().version;

/** What `--version` prints: the version first, on a line of its own with commit and target; as JSON for tools. */
export function versionText(name: string, asJson: boolean): string {
  const { version, commit, target } = buildFacts();
  if (asJson) return JSON.stringify({ name, version, commit: commit ?? null, target: target ?? null });
  if (target === undefined) return version;
  return `${version} (${[...commit === undefined ? [] : [`commit ${commit}`], target].join(", ")})`;
}

function buildFacts(): BuildFacts {
  if (typeof CONVEYOR_BUILD === "object") return CONVEYOR_BUILD;
  const file = new URL("../../../../package.json", import.meta.url);
  const { version } = parseOwnJson<{ version: string }>(readFileSync(file, "utf8"));
  return { version };
}
