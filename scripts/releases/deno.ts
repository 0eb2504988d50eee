import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeArchive } from "./archive.ts";
import { bundle, checkNoPath } from "./compile.ts";
import type { Facts } from "./facts.ts";
import type { Target } from "./targets.ts";

/** What Deno calls the targets; it has none with musl. */
const TRIPLES: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
};

interface Making {
  readonly root: string;
  readonly target: Target;
  readonly facts: Facts;
  readonly notices: string;
  readonly work: string;
  readonly out: string;
  readonly say: (text: string) => void;
}

/** An archive with flutter-ci on Deno. Where it cannot be made, says why. */
export async function compileOnDeno({ root, target, facts, notices, work, out, say }: Making): Promise<void> {
  const triple = TRIPLES[target.name];
  if (triple === undefined) {
    return say(`No flutter-ci on Deno for ${target.name}: Deno has no runtime for it`);
  }
  // Made of the project's own folder, it would hold all packages that lie there: ten times as much.
  const folder = join(work, "flutter-ci-deno");
  mkdirSync(folder);
  try {
    await bundle({ root, program: "flutter-ci", facts, target: target.name, notices }, folder);
    const path = join(work, "flutter-ci-for-deno");
    const why = await whyNotCompiled(folder, triple, path);
    if (why !== undefined) return say(`No flutter-ci on Deno for ${target.name}: ${why}`);
    checkNoPath(path, root);
    const name = `flutter-ci-deno-${facts.version}-${target.name}`;
    const entries = [
      { name: `${name}/bin/flutter-ci`, path, mode: 0o755 },
      { name: `${name}/share/doc/flutter-ci/THIRD-PARTY-NOTICES`, text: notices },
      { name: `${name}/share/doc/flutter-ci/LICENSE`, path: join(root, "LICENSE") },
    ];
    await writeArchive(join(out, `${name}.tar.gz`), "tar.gz", entries, { time: facts.time });
    rmSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `deno compile`; returns why that failed. */
async function whyNotCompiled(folder: string, triple: string, path: string): Promise<string | undefined> {
  if (Bun.which("deno") === null) return "there is no deno on PATH";
  const flags = ["--no-check", "--no-config", "--no-lock", "--quiet", "--include", "."];
  const child = Bun.spawn(
    ["deno", "compile", "-A", ...flags, "--target", triple, "--output", path, "flutter-ci.js"],
    {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  const said = await new Response(child.stderr).text();
  return await child.exited === 0 ? undefined : reasonIn(said);
}

/** The most telling line of an error of Deno's: the first that gives a cause of the cause. */
function reasonIn(said: string): string {
  return /^\s*1: (.*)$/m.exec(said)?.[1] ?? said.trim();
}
