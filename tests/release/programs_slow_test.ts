import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { root, temporaryFolder } from "../cli/start-program.ts";

const execute = promisify(execFile);
const BUN = join(root, ".tools/bin/bun");
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];
/** The target is 4 MB; `scripts/bench start` measures against it. */
const MOST_OF_RUNTIME = 4_100_000;

/** Runs TypeScript that uses the scripts of a release, which need Bun. */
async function onBun(script: string): Promise<string> {
  const { stdout } = await execute(BUN, ["--no-env-file", "-e", script], { maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

test("a driver's program holds no control plane, YAML, SQLite or HTTP framework", async () => {
  const files: Record<string, string[]> = JSON.parse(
    await onBun(`
    import { filesOf } from "${root}/scripts/releases/compile.ts";
    const found = {};
    for (const name of ${JSON.stringify(DRIVERS)}) found[name] = await filesOf("${root}", name);
    console.log(JSON.stringify(found));`),
  );
  const foreign =
    /lib\/(?:engine|backend\/embedded)\/|node_modules\/(?:yaml|hono|@hono|ajv|@opentelemetry)\//;
  for (const driver of DRIVERS) {
    const own = files[driver] ?? [];
    assert.ok(own.includes(`drivers/${driver}.ts`), driver);
    assert.deepEqual(own.filter((file) => foreign.test(file)), [], driver);
  }
});

test("a program is small, and holds texts that no command line could carry", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "builder");
  const notices = await onBun(`
    import { randomBytes } from "node:crypto";
    import { compile } from "${root}/scripts/releases/compile.ts";
    const notices = randomBytes(120_000).toString("base64");
    const facts = { version: "1.2.3", commit: undefined, time: 0 };
    const named = { root: "${root}", program: "builder", facts, target: "test" };
    await compile({ ...named, path: "${path}" });
    await compile({ ...named, path: "${path}-noted", notices });
    console.log(notices);`);
  const { stdout } = await execute(`${path}-noted`, ["--licenses"], { maxBuffer: 1024 * 1024 });
  assert.equal(stdout.trim(), notices.trim());
  const empty = join(folder.path, "empty");
  await writeFile(`${empty}.ts`, "export {};\n");
  await execute(BUN, ["build", `${empty}.ts`, "--compile", "--outfile", empty]);
  const own = (await stat(path)).size - (await stat(empty)).size;
  assert.ok(own <= MOST_OF_RUNTIME, `${own} bytes beyond the runtime`);
});
