import assert from "node:assert/strict";
import { test } from "node:test";
import { proposalFor } from "../../lib/cli/shared/request/proposal.ts";

const proposal = (files: Record<string, string>) =>
  proposalFor({ has: (name) => Object.hasOwn(files, name), read: (name) => files[name] });

test("a repository is proposed to be built by the first file that marks it, else with make", () => {
  const both = proposal({ "Makefile": "", "pubspec.yaml": "" });
  assert.deepEqual([both.mark, both.artifacts.length], ["pubspec.yaml", 1]);
  assert.deepEqual(proposal({ "Cargo.toml": "" }).artifacts, []);
  assert.equal(proposal({ "go.mod": "module m\n\ngo 1.22.3\n" }).image, "golang:1.22");
  assert.equal(proposal({ "go.mod": "module m\n" }).image, "golang:1");
  const none = proposal({ "README.md": "" });
  assert.deepEqual([none.mark, none.commands], [undefined, ["make"]]);
});

test("a package is proposed to be installed by its own manager, and to run the scripts that it has", () => {
  const commands = (manifest: string, ...locks: string[]) =>
    proposal({ "package.json": manifest, ...Object.fromEntries(locks.map((name) => [name, ""])) }).commands;
  const scripts = JSON.stringify({ scripts: { test: "t", build: "b", start: "s" } });
  assert.deepEqual(commands(scripts), ["npm install", "npm run build", "npm run test"]);
  assert.deepEqual(commands('{"scripts":{"test":"t"}}', "package-lock.json"), ["npm ci", "npm run test"]);
  assert.match(commands(scripts, "pnpm-lock.yaml", "yarn.lock").join(), /pnpm install.*,pnpm run build/);
  assert.match(commands(scripts, "yarn.lock").join(), /yarn install.*,yarn run build/);
  for (const odd of ["", "no JSON", "7", "null", "[]", "{}", '{"scripts":null}', '{"scripts":"test"}']) {
    assert.deepEqual(commands(odd), ["npm install"], odd);
  }
});
