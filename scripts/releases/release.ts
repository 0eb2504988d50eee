/** Makes a release; `options.ts` has the flags. Exit 2 for wrong usage, 3 for what cannot be made here. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { completionScript } from "../../lib/cli/completion/completion-script.ts";
import { checkXz, type Entry, type Kind, writeArchive } from "./archive.ts";
import { checkNoPath, compile, filesOf } from "./compile.ts";
import { compileOnDeno } from "./deno.ts";
import { DEB_ARCHITECTURES, debEntries, writeDeb } from "./deb.ts";
import { type Facts, factsOf } from "./facts.ts";
import { manPagesOf } from "./man-pages.ts";
import { brokenPages } from "./mac-signature.ts";
import { noticesOf } from "./notices.ts";
import { HELP, type Options, optionsOf } from "./options.ts";
import { directOf, type Package, packagesOf } from "./packages.ts";
import { type Program, PROGRAMS } from "./programs.ts";
import { fetchRuntime } from "./runtimes.ts";
import { sbomOf } from "./sbom.ts";
import { sign, writeChecksums } from "./sign.ts";
import { BUN_VERSION, type Target } from "./targets.ts";
import { temporaryFolder } from "./temporary.ts";
import { unitsOf } from "./units.ts";

const root = join(import.meta.dir, "../..");
const say = (text: string) => console.error(`· ${text}`);
const DRIVERS = PROGRAMS.filter((program) => program !== "flutter-ci");

try {
  const options = optionsOf(root, process.argv.slice(2));
  if (options?.fetchOnly) await Promise.all(options.targets.map((target) => fetchRuntime(root, target, say)));
  else if (options) await release(options);
  else process.stdout.write(HELP);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  process.exitCode = error instanceof RangeError ? 2 : 3;
}

async function release(options: Options): Promise<void> {
  const { targets, programs, out, key, withDeno, withZstd, withXz } = options;
  if (withXz) checkXz();
  if (Bun.version !== BUN_VERSION) {
    throw new Error(
      `Cannot make a release on Bun ${Bun.version}: expected ${BUN_VERSION}, whose runtimes go into it`,
    );
  }
  const facts = factsOf(root);
  if (facts.commit?.endsWith("-dirty")) {
    say(`Uncommitted changes: the programs call their commit ${facts.commit}`);
  }
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(out)) {
    if (
      /^SHA256SUMS|\.tar\.(?:gz|xz|zst)(?:\.part)?$|\.cdx\.json$|\.deb(?:\.part)?$|^install\.sh$/.test(name)
    ) {
      rmSync(join(out, name));
    }
  }
  using temporary = temporaryFolder("conveyor-release-");
  const work = temporary.path;
  const contents = await contentsOfAll();
  const { notices } = contents["flutter-ci"];
  const made: Target[] = [];
  for (const target of targets) {
    const runtime = await fetchRuntime(root, target, say).catch((error) =>
      say(`Not made for ${target.name}: ${error.message}`)
    );
    if (runtime === undefined) continue;
    await releaseTarget({ target, runtime, programs, facts, contents, work, out, withZstd, withXz });
    made.push(target);
    if (withDeno) await compileOnDeno({ root, target, facts, notices, work, out, say });
  }
  const missing = targets.filter((target) => !made.includes(target));
  const installer = join(root, "scripts/install.sh");
  if (existsSync(installer)) await Bun.write(join(out, "install.sh"), Bun.file(installer));
  const sums = await writeChecksums(out);
  if (key === undefined) say("Not signed: no --sign-key");
  else await sign(sums, key);
  say(`${out}: ${facts.version}, commit ${facts.commit ?? "unknown"}`);
  if (missing.length > 0) throw new Error(`Not made: ${missing.map(({ name }) => name).join(", ")}`);
}

/** What each program is made of, which is the same for all targets. */
type Contents = Readonly<Record<Program, { readonly packages: Package[]; readonly notices: string }>>;

interface Making {
  readonly target: Target;
  /** Bun for the target. */
  readonly runtime: string;
  readonly programs: readonly Program[];
  readonly facts: Facts;
  readonly contents: Contents;
  readonly work: string;
  readonly out: string;
  readonly withZstd: boolean;
  readonly withXz: boolean;
}

async function contentsOfAll(): Promise<Contents> {
  const license = readFileSync(join(root, "LICENSE"), "utf8");
  const contents = await Promise.all(PROGRAMS.map(async (program) => {
    const packages = packagesOf(root, await filesOf(root, program));
    return [program, { packages, notices: noticesOf(packages, license) }] as const;
  }));
  return Object.fromEntries(contents) as Contents;
}

/** One archive with `flutter-ci` and links by the drivers' names, and one for each standalone driver. */
async function releaseTarget(making: Making): Promise<void> {
  const { target, runtime, programs, facts, contents, work, out, withZstd, withXz } = making;
  for (const program of programs) {
    const path = join(work, program);
    const { packages, notices } = contents[program];
    const compiling = { root, program, path, facts, target: target.name, notices };
    await compile({ ...compiling, runtime: { path: runtime, target: target.bun } });
    checkNoPath(path, root);
    if (target.name.startsWith("darwin-")) saySignature(path, `${program} for ${target.name}`);
    const sbom = sbomOf(program, facts, target, packages, directOf(root, packages));
    const name = `${program}-${facts.version}-${target.name}`;
    const doc = `share/doc/${program}`;
    const entries: Entry[] = [
      { name: `bin/${program}`, path, mode: 0o755 },
      { name: `${doc}/THIRD-PARTY-NOTICES`, text: notices },
      { name: `${doc}/LICENSE`, path: join(root, "LICENSE") },
      { name: `${doc}/sbom.cdx.json`, text: sbom },
      ...program === "flutter-ci" ? await besideFlutterCi(facts) : [],
    ];
    const kinds: Kind[] = [
      "tar.gz",
      ...withXz ? ["tar.xz"] as const : [],
      ...program === "flutter-ci" && withZstd ? ["tar.zst"] as const : [],
    ];
    for (const kind of kinds) {
      const archive = join(out, `${name}.${kind}`);
      await writeArchive(
        archive,
        kind,
        entries.map((entry) => ({ ...entry, name: `${name}/${entry.name}` })),
        { time: facts.time, isX86: target.name.startsWith("linux-x64") },
      );
      say(`${relative(process.cwd(), archive)} (${megabytes(archive)}; the program: ${megabytes(path)})`);
    }
    const architecture = program === "flutter-ci" ? DEB_ARCHITECTURES[target.name] : undefined;
    if (architecture !== undefined) {
      const deb = join(out, `flutter-ci_${facts.version}_${architecture}.deb`);
      const { version, time } = facts;
      const units = Object.keys(unitsOf(DRIVERS));
      await writeDeb(deb, { version, architecture, entries: debEntries(entries), units, time, withXz }, work);
      say(`${relative(process.cwd(), deb)} (${megabytes(deb)})`);
    }
    await Bun.write(join(out, `${name}.cdx.json`), sbom);
    rmSync(path);
  }
}

/**
 * What is installed with `flutter-ci`: the drivers, which act by their names, and help for shells and
 * systemd.
 */
async function besideFlutterCi(facts: Facts): Promise<Entry[]> {
  const pages = await manPagesOf(root, DRIVERS, facts);
  return [
    ...Object.entries(pages).map(([name, text]) => ({ name: `share/man/man1/${name}`, text })),
    ...DRIVERS.map((driver) => ({ name: `bin/${driver}`, link: "flutter-ci" })),
    {
      name: "share/bash-completion/completions/flutter-ci",
      text: completionScript("bash", "flutter-ci"),
    },
    { name: "share/zsh/site-functions/_flutter-ci", text: completionScript("zsh", "flutter-ci") },
    ...Object.entries(unitsOf(DRIVERS)).map(([name, text]) => ({ name: `lib/systemd/system/${name}`, text })),
    ...["install.md", "nats-server.conf", "compose/compose.yaml", "compose/nats.conf", "compose/setup"].map((
      name,
    ) => ({
      name: `share/doc/flutter-ci/${name}`,
      path: join(root, "docs", name),
      ...name.endsWith("/setup") && { mode: 0o755 },
    })),
    { name: "share/fish/vendor_completions.d/flutter-ci.fish", text: completionScript("fish", "flutter-ci") },
  ];
}

/**
 * Bun signs a program for macOS on arm64 anew, and leaves on x64 the signature of its own file, which no
 * longer fits.
 */
function saySignature(path: string, what: string): void {
  const broken = brokenPages(path);
  if (broken === 0) return;
  const why = broken === undefined
    ? "is not signed"
    : `has a signature that ${broken} pages of it do not fit`;
  say(`warning: ${what} ${why}: sign it on a Mac (docs/install.md)`);
}

function megabytes(path: string): string {
  return `${(statSync(path).size / 1e6).toFixed(1)} MB`;
}
