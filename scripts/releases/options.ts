import { accessSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Program, PROGRAMS } from "./programs.ts";
import { type Target, targetOf, TARGETS } from "./targets.ts";

export interface Options {
  readonly targets: readonly Target[];
  readonly programs: readonly Program[];
  readonly out: string;
  readonly key: string | undefined;
  /** Whether to get the runtimes and do no more. */
  readonly fetchOnly: boolean;
  readonly withDeno: boolean;
  readonly withZstd: boolean;
  readonly withXz: boolean;
}

export const HELP = `Makes a release: archives for every target, checksums, a signature, and what is in it.
Usage:  scripts/release [flags]

Flags:
  --target NAME    this target only, repeatable: ${TARGETS.map(({ name }) => name).join(", ")}
  --program NAME   this program only, repeatable: ${PROGRAMS.join(", ")}
  --out DIR        folder for the files (default: dist/release); what is of an earlier release there is replaced
  --sign-key FILE  private SSH key that signs SHA256SUMS; without it, nothing is signed
  --zstd           also a .tar.zst of the archive with all programs, smaller by a fifth and slow to make
  --xz             also a .tar.xz of every archive, and the Debian package in it: smaller by a quarter and slower to make
  --with deno      also flutter-ci on Deno, where its runtime "denort" can be downloaded or DENORT_BIN names it
  --fetch          only get the runtimes that these targets need: what follows needs no network
  -h, --help       show this help
`;

/**
 * Reads the words of the command line. Undefined where help was asked for. Throws RangeError that names what
 * is wrong.
 */
export function optionsOf(root: string, words: readonly string[]): Options | undefined {
  const { values } = parsed(words);
  if (values.help) return undefined;
  const { with: other, "sign-key": key, zstd = false, xz = false, fetch: fetchOnly = false } = values;
  if (other !== undefined && other !== "deno") {
    throw new RangeError(`Unknown runtime "${other}" after --with: expected deno`);
  }
  if (key !== undefined) checkKey(key);
  const names = values.target ?? TARGETS.map(({ name }) => name);
  return {
    targets: [...new Set(names)].map(targetOf),
    programs: [...new Set(values.program ?? PROGRAMS)].map(programOf),
    out: resolve(values.out ?? join(root, "dist/release")),
    key,
    fetchOnly,
    withDeno: other === "deno",
    withZstd: zstd,
    withXz: xz,
  };
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        target: { type: "string", multiple: true },
        program: { type: "string", multiple: true },
        out: { type: "string" },
        "sign-key": { type: "string" },
        fetch: { type: "boolean" },
        zstd: { type: "boolean" },
        xz: { type: "boolean" },
        with: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new RangeError(error instanceof Error ? error.message : String(error));
  }
}

function programOf(name: string): Program {
  const found = PROGRAMS.find((program) => program === name);
  if (found) return found;
  throw new RangeError(`Unknown program "${name}": expected ${PROGRAMS.join(", ")}`);
}

function checkKey(key: string): void {
  try {
    accessSync(key, constants.R_OK);
    if (statSync(key).isFile()) return;
  } catch {
    // Said below.
  }
  throw new RangeError(`Cannot read the key "${key}" of --sign-key: expected a file with a private SSH key`);
}
