import { execFileSync } from "node:child_process";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { InputError, UnavailableError } from "../../lib/base/errors.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { sourceStream } from "../../lib/build/git/source-stream.ts";
import { snapshotWorkTree } from "../../lib/cli/shared/request/uncommitted.ts";
import { git } from "./received.ts";

/** Repositories of several forms, and one beside them that nothing in them leads to. */
export interface Originals extends Disposable {
  readonly top: string;
  readonly names: readonly string[];
  /** The commit of the repository beside them. */
  readonly secret: string;
}

export function makeOriginals(): Originals {
  const top = mkdtempSync(join(tmpdir(), "mutated-"));
  for (const name of ["secret", "loose"]) {
    git(top, "init", "-q", "--template=", name);
    for (let i = 0; i < 6; i++) {
      mkdirSync(join(top, name, "below"), { recursive: true });
      writeFileSync(join(top, name, "below", "f"), `${name}\n${"same line\n".repeat(40)}${i}\n`);
      git(join(top, name), "add", ".");
      git(join(top, name), "commit", "-qm", String(i));
    }
    git(join(top, name), "tag", "-a", "-m", "tag", "v1", "HEAD~2");
  }
  cpSync(join(top, "loose"), join(top, "packed"), { recursive: true });
  git(join(top, "packed"), "gc", "-q", "--aggressive", "--prune=now");
  git(top, "clone", "-q", "--depth", "3", `file://${top}/loose`, "shallow");
  const secret = git(join(top, "secret"), "rev-parse", "HEAD");
  return {
    top,
    names: ["loose", "packed", "shallow"],
    secret,
    [Symbol.dispose]: () => rmSync(top, { recursive: true, force: true }),
  };
}

/**
 * Damages a copy of a repository in some random ways, the same for the same seed, and reads it as a build
 * does. Throws where that ends in anything but a repository or a refusal, or with something of the repository
 * beside it.
 */
export async function readMutated(
  { top, names, secret }: Originals,
  seed: number,
): Promise<"read" | "refused"> {
  const choose = chooser(seed);
  const folder = mkdtempSync(join(top, "copy-"));
  const app = join(folder, "app");
  try {
    cpSync(join(top, names[choose(names.length)] ?? ""), app, { recursive: true });
    const count = 1 + choose(4);
    for (let i = 0; i < count; i++) mutate(app, join(top, "secret", ".git"), choose);
    const text = await readAll(app, choose(3));
    if (text.includes(secret)) throw new Error("It reads another repository");
    return "read";
  } catch (error) {
    if (error instanceof InputError || error instanceof UnavailableError) return "refused";
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything that is sent before the pack, as text. */
async function readAll(path: string, depth: number): Promise<string> {
  const source = await openLocalSource(path, { environment: {} });
  const pinned = resolveCommit(source, undefined);
  snapshotWorkTree(source);
  if (!pinned) throw new InputError("It has no commit");
  const { signal } = new AbortController();
  let text: string | undefined;
  for await (const chunk of sourceStream(source, { pinned, depth, signal })) {
    text ??= Buffer.from(chunk).toString("latin1");
  }
  return text ?? "";
}

function mutate(app: string, elsewhere: string, choose: (count: number) => number): void {
  const files = filesBelow(join(app, ".git"));
  const file = files[choose(files.length)];
  if (file === undefined) return;
  const folder = choose(2) === 0 ? file : dirname(file);
  const below = folder.slice(join(app, ".git").length + 1);
  switch (choose(8)) {
    case 0: {
      const bytes = readFileSync(file);
      for (let i = 0; i <= choose(8); i++) bytes[choose(bytes.length)] = choose(256);
      return replace(file, bytes);
    }
    case 1:
      return replace(file, readFileSync(file).subarray(0, choose(200)));
    case 2:
      return replace(file, Buffer.from(WORDS[choose(WORDS.length)] ?? ""));
    case 3:
      return rmSync(folder, { recursive: true, force: true });
    case 4:
      rmSync(folder, { recursive: true, force: true });
      return symlinkSync(join(elsewhere, below), folder);
    case 5:
      rmSync(folder, { recursive: true, force: true });
      return void execFileSync("mkfifo", [folder]);
    case 6:
      return replace(file, readFileSync(files[choose(files.length)] ?? file));
    default:
      rmSync(folder, { recursive: true, force: true });
      return mkdirSync(folder);
  }
}

/** Regular files, in an order that is always the same. */
function filesBelow(folder: string): string[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return [path];
    return filesBelow(path);
  });
}

function replace(file: string, bytes: Uint8Array): void {
  rmSync(file, { force: true });
  writeFileSync(file, bytes);
}

const WORDS = [
  "",
  "ref: refs/heads/main\n",
  "ref: ../../secret/.git/refs/heads/main\n",
  "gitdir: ../../secret/.git\n",
  "0000000000000000000000000000000000000000\n",
  "[core]\n\tworktree = /\n\tbare = true\n",
  "[extensions]\n\tobjectFormat = sha256\n",
  "/dev/zero\n",
  "\0".repeat(5000),
  "9".repeat(100_000),
];

/** Numbers that look random, the same for the same seed. */
function chooser(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return count === 0 ? 0 : ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}
