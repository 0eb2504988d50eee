import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import type { Facts } from "./facts.ts";
import { helpTextsOf } from "./help-texts.ts";
import { PROGRAMS } from "./programs.ts";
import { withUs } from "./temporary.ts";

const DRIVERS = PROGRAMS.filter((program) => program !== "flutter-ci");

export interface Compiling {
  /** This project's folder. */
  readonly root: string;
  readonly program: string;
  /** Where the file goes. */
  readonly path: string;
  readonly facts: Facts;
  readonly target: string;
  /** Bun for another target, and what Bun calls that one; this Bun itself without. */
  readonly runtime?: { readonly path: string; readonly target: string };
  /** What `--licenses` prints. */
  readonly notices?: string;
}

/** The source files that are in a program, relative to `root`. */
export async function filesOf(root: string, program: string): Promise<string[]> {
  return await bunBuild(root, program, {});
}

/** Makes one program as a single file. */
export async function compile(what: Compiling): Promise<void> {
  const { root, program, path, target, runtime } = what;
  // The file's name becomes part of its content, so it is made under the program's own name.
  const folder = await mkdtemp(`${path}.`);
  const made = join(folder, program);
  const order = join(folder, "order");
  try {
    writeFileSync(order, NO_ORDER);
    await bunBuild(root, program, {
      compile: {
        outfile: made,
        ...runtime && { target: runtime.target as Bun.Build.CompileTarget, executablePath: runtime.path },
        bytecodeOrder: order,
        // A driver waits most of its life: it is smaller with less code compiled, and starts sooner. Of a
        // control plane each request would cost more.
        ...program !== "flutter-ci" && { jitPolicy: 16 },
        // Bun, compiled or not, would read settings of the folder that a program is started in, and run what
        // they name.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
      bytecode: true,
      // Depth 1 takes two thirds of the room of all functions.
      bytecodeDepth: 1,
      define: await knownOf(what),
    });
    if (!existsSync(made)) throw new Error(`Cannot compile ${program} for ${target}: Bun made no file`);
    await rename(made, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Makes JavaScript of one program for other runtimes than Bun. Its entry is `<program>.js`, the rest lies
 * beside it.
 */
export async function bundle(what: Omit<Compiling, "path" | "runtime">, folder: string): Promise<void> {
  await bunBuild(what.root, what.program, { target: "node", outdir: folder, define: await knownOf(what) });
}

/** What a program knows from the start of itself. */
async function knownOf(
  { root, program, facts, target, notices }: Omit<Compiling, "path">,
): Promise<Record<string, string>> {
  return defines({
    CONVEYOR_BUILD: { version: facts.version, commit: facts.commit, target },
    CONVEYOR_HELP: await helpTextsOf(root, program, DRIVERS),
    CONVEYOR_NOTICES: notices === undefined ? undefined : brotliCompressSync(notices).toString("base64"),
  });
}

/**
 * An order of the bytecode that names no function: Bun leaves less room between functions where there is one
 * at all.
 */
const NO_ORDER = "v2\nF 0000000000000000\n";

/** Returns the names of the source files, relative to `root`. */
async function bunBuild(root: string, program: string, options: Partial<Bun.BuildConfig>): Promise<string[]> {
  const isDriver = program !== "flutter-ci";
  const build = {
    // The driver's own file would load all of it before it says its version.
    entrypoints: [isDriver ? "drivers/standalone.ts" : "drivers/flutter-ci.ts"],
    target: "bun",
    format: "esm",
    minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
    // A chunk for each lazy import, so that a program loads only what it needs, Node's modules among that.
    splitting: true,
    ...options,
    // Without the first, the folder of this project would be in the file.
    define: {
      ...defines({ __dirname: "/", CONVEYOR_DRIVER: isDriver ? program : undefined }),
      ...options.define,
    },
  };
  const words = [process.execPath, "--no-env-file", join(import.meta.dir, "run-build.ts")];
  const child = Bun.spawn(words, { cwd: root, stdin: new Blob([JSON.stringify(build)]), stderr: "pipe" });
  const [files, said] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    withUs(child),
  ]);
  if (await child.exited !== 0) throw new Error(`Cannot compile ${program}: ${said.trim()}`);
  return JSON.parse(files);
}

const defines = (values: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, JSON.stringify(value)]),
  );

/**
 * Throws where a file names the folder it was made in: it would differ from the same release made elsewhere.
 */
export function checkNoPath(path: string, folder: string): void {
  if (readFileSync(path).includes(folder)) throw new Error(`${basename(path)} contains the path ${folder}`);
}
