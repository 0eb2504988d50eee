import assert from "node:assert/strict";
import { cp, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, startProgram } from "../cli/start-program.ts";
import manifest from "../../package.json" with { type: "json" };
import { temporaryFolder } from "../support/temporary-folder.ts";

test(
  "deno publish takes the sources in a dry run, with the types of what they export written out",
  async () => {
    await using folder = await temporaryFolder();
    const at = (name: string) => join(folder.path, name);
    await cp(join(root, "lib"), at("lib"), { recursive: true });
    await cp(join(root, "package.json"), at("package.json"));
    await symlink(join(root, "node_modules"), at("node_modules"));
    const config = {
      name: `@test/${manifest.name}`,
      version: manifest.version,
      license: manifest.license,
      exports: { ".": "./lib/runtime.ts", "./testing": "./lib/testing.ts" },
      nodeModulesDir: "manual",
    };
    await writeFile(at("deno.json"), JSON.stringify(config));
    const words = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
    const { code, stderr } = await startProgram("deno", words, { cwd: folder.path }).ended;
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /Checking for slow types.*\/lib\/runtime\.ts .*\/lib\/testing\.ts .*Dry run complete/s,
    );
  },
);
