import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { BUN_VERSION, type Target } from "./targets.ts";

/**
 * Where Bun for a target is, got from the npm registry where it is not here yet. Throws where it is not what
 * was meant.
 */
export async function fetchRuntime(
  root: string,
  target: Target,
  say: (text: string) => void,
): Promise<string> {
  const folder = join(root, ".tools/runtimes", `${target.runtime.replace("@oven/", "")}-${BUN_VERSION}`);
  const path = join(folder, "package/bin/bun");
  if (existsSync(path)) return path;
  say(`Getting ${target.runtime} ${BUN_VERSION} from the npm registry into .tools/`);
  mkdirSync(join(root, ".tools/runtimes"), { recursive: true });
  const fetching = await mkdtemp(`${folder}.`);
  try {
    const name = `${target.runtime}@${BUN_VERSION}`;
    const answer = await run(["npm", "pack", "--silent", "--pack-destination", fetching, name]);
    const archive = join(fetching, answer.trim().split("\n").at(-1) ?? "");
    const integrity = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
    if (integrity !== target.integrity) {
      throw new Error(`${name} has the integrity ${integrity}: expected ${target.integrity}`);
    }
    await run(["tar", "-xzf", archive, "-C", fetching]);
    rmSync(archive);
    renameSync(fetching, folder);
  } catch (error) {
    rmSync(fetching, { recursive: true, force: true });
    throw error;
  }
  return path;
}

async function run(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return stdout;
  throw new Error(`"${words.join(" ")}" exited with ${code}: ${stderr.trim() || stdout.trim()}`);
}
