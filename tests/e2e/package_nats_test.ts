import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, root, runtime, startProgram } from "../cli/start-program.ts";
import { disposable, openFleet } from "../support/fleet.ts";
import { makePackage } from "../support/made-package.ts";
import { needing } from "../support/needs.ts";
import { startRegistry } from "../support/package-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { test } = needing("broker");

/** As `bun init` of Bun 1.4 writes it, without its comments. */
const TSCONFIG_OF_BUN = {
  compilerOptions: {
    lib: ["ESNext"],
    target: "ESNext",
    module: "Preserve",
    moduleDetection: "force",
    jsx: "react-jsx",
    allowJs: true,
    types: ["bun"],
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    noFallthroughCasesInSwitch: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
  },
};

test("the package works in an empty folder: installed, type-checked, tested, run and compiled", async () => {
  await using opening = new AsyncDisposableStack();
  const registry = opening.use(await startRegistry(opening.use(await makePackage())));
  const { path } = opening.use(await temporaryFolder());
  const folder = join(path, "notify");
  await mkdir(folder);
  const env = {
    NPM_CONFIG_REGISTRY: registry.url,
    BUN_INSTALL_CACHE_DIR: join(path, "cache"),
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    CONVEYOR_RUNTIME: runtime,
  };
  /** Types a line into a terminal that stands in the author's folder. */
  const type = async (line: string, cwd = folder): Promise<Ended> => {
    const [program = "", ...words] = line.split(" ");
    const ended = await startProgram(program, words, { cwd, env }).ended;
    assert.equal(ended.code, 0, `${line}\n${ended.stdout}${ended.stderr}`);
    return ended;
  };

  if (runtime === "bun") {
    await writeFile(join(folder, "package.json"), '{ "name": "notify", "type": "module", "private": true }');
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG_OF_BUN));
    await type("bun add -d @types/bun");
    const { stdout, stderr } = await type("bun add conveyor-drivers");
    assert.doesNotMatch(stdout + stderr, /[Bb]locked|postinstall/);
  } else {
    // As `deno init` writes it, without the library for tests that comes from another registry.
    await writeFile(join(folder, "deno.json"), '{ "tasks": { "dev": "deno run --watch main.ts" } }');
    const { stdout, stderr } = await type("deno add npm:conveyor-drivers");
    assert.doesNotMatch(stdout + stderr, /lifecycle|scripts/);
  }
  for (const file of await filesOf("notify")) {
    await copyFile(join(root, "examples/notify", file), join(folder, file));
  }

  if (runtime === "bun") {
    await type(`${join(root, "node_modules/.bin/tsc")} -p .`);
    // The declarations themselves, too, as somebody who checks libraries sees them.
    await type(`${join(root, "node_modules/.bin/tsc")} -p . --skipLibCheck false`);
    const installed = (await readdir(join(folder, "node_modules"), { recursive: true }))
      .filter((file) => /(^|\/node_modules\/|^)(@[^/]+\/)?[^/@]+\/package\.json$/.test(file));
    assert.ok(installed.length < 30, `${installed.length} packages: ${installed.join(" ")}`);
  } else {
    await type("deno check notify.ts notify_test.ts");
  }
  await type(runtime === "bun" ? "bun test" : "deno test -A");
  const start = runtime === "bun" ? "bun notify.ts" : "deno run -A notify.ts";
  assert.equal((await type(`${start} --version`)).stdout, "1.0.0\n");
  assert.match((await type(`${start} --help`)).stdout, /^Start the Notify Driver/);

  const programs = [start.split(" ")];
  if (runtime === "bun") {
    await type("bun build --compile notify.ts --outfile notify");
    assert.equal((await type("./notify --version")).stdout, "1.0.0\n");
    programs.push(["./notify"]);
  }
  // The folder that our own command writes.
  const written = join(path, "line-count");
  await type(`${join(root, "bin/flutter-ci")} new driver line-count`, path);
  for (const line of runtime === "bun" ? ["bun install", "bun test"] : ["deno install", "deno test -A"]) {
    await type(line, written);
  }
  if (runtime === "bun") {
    await type("bun run check", written);
    await type("bun run build", written);
    assert.equal((await type("./line-count --version", written)).stdout, "0.1.0\n");
  } else await type("deno check .", written);

  await using fleet = await openFleet();
  for (const [program = "", ...words] of programs) {
    await using started = disposable(
      startProgram(program, [...words, "--nats", fleet.server.url], { cwd: folder, env }),
    );
    await started.said(" takes events of flutter-builder");
    started.kill("SIGTERM");
    assert.equal((await started.ended).code, 0, started.output());
  }
});

test("the README shows the very file of examples/notify", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const example = await readFile(join(root, "examples/notify/notify.ts"), "utf8");
  assert.ok(
    readme.includes(`\`\`\`ts\n${example}\`\`\``),
    "README.md has no block with examples/notify/notify.ts",
  );
  assert.ok(example.split("\n").length <= 26);
});

async function filesOf(example: string): Promise<string[]> {
  return (await readdir(join(root, "examples", example))).filter((name) => name.endsWith(".ts"));
}
