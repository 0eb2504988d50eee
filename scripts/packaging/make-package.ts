/**
 * Makes the package for authors of drivers: `bun scripts/packaging/make-package.ts FOLDER`. What the entries
 * need of `lib/` becomes JavaScript; so does dockerode, with our own stand-ins for what it pulls in
 * (`overrides` hold for this project only). All other libraries stay dependencies.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDeclarations } from "./declarations.ts";

const root = join(import.meta.dir, "../..");
const folder = process.argv[2];
if (folder === undefined) throw new Error("Expected the folder to make the package in");

/** Entry points, by what an author imports. */
const ENTRIES = { ".": "runtime", "./testing": "testing" } as const;
/** Libraries that become part of the package. */
const INSIDE = ["dockerode"];

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const libraries = Object.keys(manifest.dependencies).filter((name) => !INSIDE.includes(name));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const built = await Bun.build({
  entrypoints: Object.values(ENTRIES).map((entry) => join(root, `lib/${entry}.ts`)),
  root: join(root, "lib"),
  outdir: folder,
  target: "node",
  format: "esm",
  splitting: true,
  external: libraries.flatMap((name) => [name, `${name}/*`]),
  plugins: [{
    name: "version",
    // Of this project's manifest the version is all that a driver's program wants.
    setup: (build) =>
      void build.onLoad(
        { filter: /package\.json$/ },
        ({ path }) =>
          path === join(root, "package.json")
            ? { loader: "json", contents: JSON.stringify({ version: manifest.version }) }
            : undefined,
      ),
  }],
  naming: { chunk: "chunks/[hash].[ext]" },
});
if (!built.success) throw new AggregateError(built.logs, "The package's JavaScript could not be built");
const script = (await Promise.all(built.outputs.map((output) => output.text()))).join("\n");

const declarations = await makeDeclarations(root, {
  entries: Object.values(ENTRIES),
  into: join(folder, "types"),
});

const isUsed = (name: string) =>
  ["from ", "import ", "import(", "require("].some((how) =>
    `${script}\n${declarations}`.includes(`${how}"${name}`)
  );
/** With those that they expect beside them. */
const used = libraries.filter(isUsed).flatMap((
  name,
) => [name, ...Object.keys(manifestOf(name).peerDependencies ?? {})]);
writeFileSync(
  join(folder, "package.json"),
  `${
    JSON.stringify(
      {
        name: manifest.name,
        version: manifest.version,
        description: manifest.description,
        license: manifest.license,
        type: manifest.type,
        exports: Object.fromEntries(
          Object.entries(ENTRIES).map(([path, entry]) => [path, {
            types: `./types/${entry}.d.ts`,
            default: `./${entry}.js`,
          }]),
        ),
        sideEffects: false,
        engines: manifest.engines,
        dependencies: Object.fromEntries(
          Object.entries(manifest.dependencies).filter(([name]) => used.includes(name)),
        ),
      },
      undefined,
      2,
    )
  }\n`,
);
for (const name of ["LICENSE", "README.md"]) cpSync(join(root, name), join(folder, name));
for (const name of INSIDE) {
  cpSync(join(root, `node_modules/${name}/LICENSE`), join(folder, `LICENSE.${name}`));
}

function manifestOf(name: string): { peerDependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, `node_modules/${name}/package.json`), "utf8"));
}
