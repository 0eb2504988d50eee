import { Glob } from "bun";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

const IMPORTED = /(from |import\()"(\.[^"]+)\.ts"/g;
/**
 * What is loaded only when it is needed: no entry point's types depend on it, and a command line's types are
 * the largest of all.
 */
const LOADED_LATER = /(?<=await |\[|\s)import\("\./g;

/**
 * The type declarations of `entries` (files of `lib/`) and of every file that those reach, written below
 * `into`. Returns their text.
 */
export async function makeDeclarations(
  root: string,
  { entries, into }: { entries: readonly string[]; into: string },
): Promise<string> {
  mkdirSync(join(root, ".tools"), { recursive: true });
  // Below the project, whose libraries are found from there.
  const work = mkdtempSync(join(root, ".tools/declarations-"));
  try {
    await copySources(root, work, entries);
    const made = join(work, "made");
    const compiler = Bun.spawn([join(root, "node_modules/.bin/tsc"), "-p", work, "--outDir", made], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const complaints = await new Response(compiler.stdout).text();
    if (await compiler.exited !== 0) throw new Error(`The declarations could not be made:\n${complaints}`);
    return await keepReached(made, { entries, into });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function copySources(root: string, work: string, entries: readonly string[]): Promise<void> {
  for await (const path of new Glob("lib/**/*.ts").scan(root)) {
    const target = join(work, path);
    await mkdir(dirname(target), { recursive: true });
    const text = await readFile(join(root, path), "utf8");
    await writeFile(target, text.replace(LOADED_LATER, 'import("later:.'));
  }
  for (const name of ["package.json", "tsconfig.json"]) await copyFile(join(root, name), join(work, name));
  const config = JSON.parse(await readFile(join(root, "tsconfig.json"), "utf8"));
  config.compilerOptions = {
    ...config.compilerOptions,
    ...{ rootDir: "lib", noEmit: false, noCheck: true, declaration: true, emitDeclarationOnly: true },
  };
  config.include = entries.map((entry) => `lib/${entry}.ts`);
  await writeFile(join(work, "tsconfig.json"), JSON.stringify(config));
}

async function keepReached(
  made: string,
  { entries, into }: { entries: readonly string[]; into: string },
): Promise<string> {
  const written = new Map<string, string>();
  const waiting = entries.map((entry) => join(made, `${entry}.d.ts`));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (written.has(file)) continue;
    const text = await readFile(file, "utf8");
    const from = dirname(file);
    for (const [, , target = ""] of text.matchAll(IMPORTED)) waiting.push(resolve(from, `${target}.d.ts`));
    written.set(file, text.replace(IMPORTED, '$1"$2.js"'));
  }
  for (const [file, text] of written) {
    const target = join(into, relative(made, file));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }
  return [...written.values()].join("\n");
}
