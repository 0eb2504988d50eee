import assert from "node:assert/strict";
import { test } from "node:test";
import { completionScript } from "../../lib/cli/completion/completion-script.ts";
import { answersEarly } from "../../lib/cli/early-answer.ts";
import { version } from "../../lib/driver/program/command-line/version.ts";

/** What is written for these words; undefined where they are left to the whole program. */
function answer(name: string, ...words: string[]): string | undefined {
  let written: string | undefined;
  const isAnswered = answersEarly(name, words, (text) => {
    written = text;
    return Buffer.byteLength(text);
  });
  assert.equal(isAnswered, written !== undefined);
  return written;
}

test("a program answers what needs no parser early, and leaves everything else to the whole program", () => {
  for (const word of ["--version", "-v"]) assert.equal(answer("builder", word), `${version()}\n`);
  assert.deepEqual(JSON.parse(answer("builder", "--version", "--json") ?? ""), {
    name: "builder",
    version: version(),
    commit: null,
    target: null,
  });
  assert.equal(answer("flutter-ci", "completion", "zsh"), completionScript("zsh", "flutter-ci"));
  const others = [
    [],
    ["--help"],
    ["run", "--version"],
    ["--version", "run"],
    ["--version", "--json", "--json"],
    ["--licenses"],
    ["completion"],
    ["completion", "csh"],
    ["completion", "bash", "more"],
  ];
  for (const words of others) assert.equal(answer("flutter-ci", ...words), undefined, words.join(" "));
  assert.equal(answer("builder", "completion", "bash"), undefined);
});

test("an early answer that stdout does not take is left to the whole program, which says why", () => {
  const full = () => {
    throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  };
  assert.equal(answersEarly("flutter-ci", ["--version"], full), false);
  assert.equal(answersEarly("flutter-ci", ["--version"], () => 1), false);
});
