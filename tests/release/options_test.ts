import assert from "node:assert/strict";
import { test } from "node:test";
import { HELP, optionsOf } from "../../scripts/releases/options.ts";

const root = "/project";
const options = (...words: string[]) => optionsOf(root, words);

test("a release is made of all programs for all targets, unless some are named", () => {
  const all = options();
  assert.deepEqual([all?.targets.length, all?.programs.length, all?.out], [6, 5, "/project/dist/release"]);
  assert.deepEqual([all?.withXz, all?.withZstd, all?.withDeno, all?.key], [false, false, false, undefined]);
  const some = options("--target", "linux-x64", "--target", "linux-x64", "--program", "builder", "--xz");
  assert.deepEqual(some?.targets.map(({ name }) => name), ["linux-x64"]);
  assert.deepEqual([some?.programs, some?.withXz], [["builder"], true]);
  assert.equal(options("--help"), undefined);
});

test("what a release does not know is refused by its name, with what was expected", () => {
  const cases = [
    [["--target", "linux-x32"], /^Unknown target "linux-x32": expected linux-x64, linux-arm64, /],
    [["--program", "bulider"], /^Unknown program "bulider": expected flutter-ci, container-start, /],
    [["--with", "node"], /^Unknown runtime "node" after --with: expected deno$/],
    [
      ["--sign-key", "/nonexistent"],
      /^Cannot read the key "\/nonexistent" of --sign-key: expected a file with/,
    ],
    [["--sign-key", "/"], /^Cannot read the key "\/" of --sign-key/],
    [["--xzz"], /--xzz/],
    [["linux-x64"], /linux-x64/],
  ] as const;
  for (const [words, expected] of cases) {
    assert.throws(() => options(...words), (error: Error) => {
      assert.ok(error instanceof RangeError, words.join(" "));
      assert.match(error.message, expected);
      return true;
    });
  }
});

test("the help of scripts/release names every flag that it takes", () => {
  for (const flag of ["target", "program", "out", "sign-key", "xz", "zstd", "with", "fetch", "help"]) {
    assert.ok(HELP.includes(`--${flag} `) || HELP.includes(`--${flag}\n`), flag);
  }
});
