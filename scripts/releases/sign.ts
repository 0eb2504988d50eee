import { createHash } from "node:crypto";
import { createReadStream, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

/**
 * What a signature of a release is for, in the words of `ssh-keygen -Y`: one for something else does not pass
 * for it.
 */
const NAMESPACE = "flutter-ci-release";

/** Writes SHA256SUMS over all files of the folder, in the form of `sha256sum`. Returns its path. */
export async function writeChecksums(folder: string): Promise<string> {
  const names = readdirSync(folder).filter((name) => !name.startsWith("SHA256SUMS")).sort();
  const lines: string[] = [];
  for (const name of names) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(join(folder, name)), hash);
    lines.push(`${hash.digest("hex")}  ${name}\n`);
  }
  const path = join(folder, "SHA256SUMS");
  writeFileSync(path, lines.join(""));
  return path;
}

/**
 * Writes `path.sig`, an SSH signature by the private key in the file `key`; ssh-keygen asks for its
 * passphrase.
 */
export async function sign(path: string, key: string): Promise<void> {
  rmSync(`${path}.sig`, { force: true });
  const child = Bun.spawn(["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, path], {
    stdin: "inherit",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  if (await child.exited !== 0) throw new Error(`Cannot sign with the key "${key}": ${said.trim()}`);
}
