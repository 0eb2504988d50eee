import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeArchive } from "./archive.ts";
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
  readonly work: string;
  readonly out: string;
  readonly say: (text: string) => void;
}

/** An archive with flutter-ci on Deno. Where it cannot be made, says why. */
export async function compileOnDeno({ root, target, facts, work, out, say }: Making): Promise<void> {
  const triple = TRIPLES[target.name];
  if (triple === undefined) {
    return say(`No flutter-ci on Deno for ${target.name}: Deno has no runtime for it`);
  }
  const path = join(work, "flutter-ci-deno");
  const child = Bun.spawn([
    ...[
      "deno",
      "compile",
      "-A",
      "--no-check",
      "--cached-only",
      "--no-lock",
      "--quiet",
      "--config",
      "deno.json",
    ],
    ...["--target", triple, "--output", path, "drivers/flutter-ci.ts"],
  ], {
    cwd: root,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const said = await new Response(child.stderr).text();
  if (await child.exited !== 0) return say(`No flutter-ci on Deno for ${target.name}: ${reasonIn(said)}`);
  const name = `flutter-ci-deno-${facts.version}-${target.name}`;
  const entries = [{ name: `${name}/bin/flutter-ci`, path, mode: 0o755 }];
  await writeArchive(join(out, `${name}.tar.gz`), "tar.gz", entries, { time: facts.time });
  rmSync(path);
}

/** The most telling line of an error of Deno's: the first that gives a cause of the cause. */
function reasonIn(said: string): string {
  return /^\s*1: (.*)$/m.exec(said)?.[1] ?? said.trim();
}
