import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";

const IMPORTED = /(from |import\()"(\.[^"]+)\.ts"/g;

/**
 * The type declarations of `doors` (files of `lib/`) and of every file that those reach, written below `into`. Returns their text. Of
 * the other files the compiler's complaints do not matter: an author never sees them.
 */
export async function makeDeclarations(
  root: string,
  { doors, into }: { doors: readonly string[]; into: string },
): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), "conveyor-declarations-"));
  try {
    const compiler = Bun.spawn(
      [
        join(root, "node_modules/.bin/tsc"),
        ...["-p", import.meta.dir, "--outDir", work],
      ],
      { stdout: "pipe", stderr: "inherit" },
    );
    const complaints = await new Response(compiler.stdout).text();
    await compiler.exited;
    const written = new Map<string, string>();
    const waiting = doors.map((door) => join(work, `${door}.d.ts`));
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (written.has(file)) continue;
      const text = await readFile(file, "utf8").catch(() => {
        throw new Error(`${relative(work, file ?? "")} was not made:\n${complaints}`);
      });
      const from = dirname(file);
      for (const [, , target = ""] of text.matchAll(IMPORTED)) waiting.push(resolve(from, `${target}.d.ts`));
      written.set(file, text.replace(IMPORTED, '$1"$2.js"'));
    }
    for (const [file, text] of written) {
      const target = join(into, relative(work, file));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
    }
    return [...written.values()].join("\n");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
