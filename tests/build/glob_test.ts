import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { goesThrough, matchesGlob, parseGlob, parseGlobs } from "../../lib/base/glob/glob.ts";

/** Of these paths, those that the glob matches. */
const matched = (glob: string, paths: string[]) => {
  const parsed = parseGlob(glob);
  return paths.filter((path) => matchesGlob(parsed, path));
};

test("matchesGlob knows *, ?, sets, ranges, ** and braces, and compares all the rest as it stands", () => {
  for (
    const [glob, yes, no] of [
      ["a/*.js", ["a/b.js", "a/b.c.js"], ["a/b/c.js", "a/.b.js", "a/bjs", "b.js"]],
      ["*", ["a", "a(1)", "a+b", "ü", "😀"], ["a/b", ".a"]],
      ["?", ["a", "ü", "😀"], ["ab", ""]],
      ["a?c", ["abc"], ["ac", "a/c"]],
      ["[abc]x", ["ax", "cx"], ["dx", "x"]],
      ["[!a-c]x", ["dx", "-x"], ["ax", "bx", "/x"]],
      ["[^a]", ["b"], ["a"]],
      ["[]-]", ["]", "-"], ["a"]],
      ["[a\\-z]", ["a", "-", "z"], ["b"]],
      ["[ü-ÿ]", ["ý"], ["u"]],
      ["**", ["a", "a/b/c"], [".a", "a/.b"]],
      ["**/*.js", ["a.js", "a/b/c.js"], ["a/.b/c.js", "a.jsx"]],
      ["a/**", ["a/b", "a/b/c"], ["b/a"]],
      ["a/**/b", ["a/b", "a/x/y/b", "a/x/b/c/d"], ["a/x/y", "ab"]],
      ["{a,b/c}/*.{js,css}", ["a/x.js", "b/c/y.css"], ["b/x.js", "a/x.ts"]],
      ["a{,.map}", ["a", "a.map"], ["ab"]],
      ["{a{b,c},d}", ["ab", "ac", "d"], ["a", "ad"]],
      ["a\\*b", ["a*b"], ["axb"]],
      ["\\!a", ["!a"], ["a"]],
      ["Report (1).pdf", ["Report (1).pdf"], ["Report 1.pdf"]],
      ["a+b^$.{x,y}", ["a+b^$.x"], ["aab^$.x", "a+b^$xx"]],
      ["./a//b/./*", ["a/b/c"], ["a/b"]],
      [".*", [".env"], [".git", "a"]],
      [".g*", [".gitignore"], [".git"]],
    ] as [string, string[], string[]][]
  ) assert.deepEqual(matched(glob, [...yes, ...no]), yes, glob);
});

test("a folder as a glob means all in it, whatever it is called, but for a folder .git", () => {
  const paths = ["dist", "dist/a", "dist/.env", "dist/x/.y/z", "dist/.git", "dist/x/.git/config", "dist2/a"];
  assert.deepEqual(matched("dist", paths), ["dist", "dist/a", "dist/.env", "dist/x/.y/z"]);
  assert.deepEqual(matched("dist/", paths), ["dist/a", "dist/.env", "dist/x/.y/z"]);
  assert.deepEqual(matched(".", ["a", ".b/c", ".git/HEAD"]), ["a", ".b/c"]);
  assert.deepEqual(matched("packages/*/dist", ["packages/a/dist/x", "packages/a/src/x"]), [
    "packages/a/dist/x",
  ]);
  assert.deepEqual(matched("build/*", ["build/a", "build/a/b"]), ["build/a"]);
  assert.deepEqual(matched("build/*/", ["build/a", "build/a/b"]), ["build/a/b"]);
});

test("no wildcard matches a folder .git, which has to be named", () => {
  const paths = [".git", ".git/config", ".git/refs/heads/main", "sub/.git", "sub/.git/config"];
  for (
    const glob of ["**", "*", "*/*", "**/config", ".*/**", ".g*/**", "[.]git/**", ".gi?", "sub", "sub/*"]
  ) {
    assert.deepEqual(matched(glob, paths), [], glob);
  }
  assert.deepEqual(matched(".git", paths), [".git", ".git/config", ".git/refs/heads/main"]);
  assert.deepEqual(matched("sub/.git/*", paths), ["sub/.git/config"]);
  assert.deepEqual(matched("**/.git/config", paths), [".git/config", "sub/.git/config"]);
});

test("a glob that takes away matches names in any folder, names with a dot, and all of a folder", () => {
  const paths = [
    "a.map",
    "dist/js/b.map",
    "dist/.c.map",
    "x.map/y",
    "map",
    "node_modules/a",
    "d/node_modules/.b/c",
  ];
  assert.deepEqual(matched("!*.map", paths), ["a.map", "dist/js/b.map", "dist/.c.map", "x.map/y"]);
  assert.deepEqual(matched("!node_modules/", paths), ["node_modules/a", "d/node_modules/.b/c"]);
  assert.deepEqual(matched("!dist/*", paths), ["dist/js/b.map", "dist/.c.map"]);
  assert.deepEqual(matched("!**", [".git/x", "a"]), [".git/x", "a"]);
});

test("goesThrough tells whether a glob goes on below a folder by its name", () => {
  const through = (glob: string, path: string) => goesThrough(parseGlob(glob), path);
  for (
    const [glob, path] of [["build/rel/*", "build/rel"], ["*/x", "a"], ["a", "a"], ["a/**", "a"]] as const
  ) {
    assert.equal(through(glob, path), true, glob);
  }
  for (const [glob, path] of [["build/*", "build/rel"], ["**", "a"], ["**/x", "a"], ["b/x", "a"]] as const) {
    assert.equal(through(glob, path), false, glob);
  }
});

test("parseGlob refuses all that other pattern languages know, and names the glob", () => {
  const refused = [
    ...[
      "!(a)",
      "@(a|b)",
      "+(a)",
      "*(a)",
      "?(a)",
      "x!(a)",
      "(a|b)",
      "a|b",
      "{1..3}",
      "{a}",
      "{}",
      "{a",
      "a}",
      "[a",
    ],
    ...[
      "[[:alpha:]]",
      "[[.a.]]",
      "[z-a]",
      "[a/b]",
      "a**",
      "**a",
      "a/**b/c",
      "***",
      "!",
      "!!a",
      "!/a",
      "a\\",
      "",
    ],
    ...["../a", "a/{..,b}", "a/\\.\\./b", "a".repeat(1025), "{a,b}".repeat(9), "{".repeat(500)],
  ];
  for (const glob of refused) {
    assert.throws(() => parseGlob(glob), (error: unknown) => {
      assert.ok(error instanceof InputError, glob);
      assert.ok(error.message.startsWith(`Invalid glob ${JSON.stringify(glob.slice(0, 100)).slice(0, -1)}`));
      return true;
    }, glob);
  }
});

test("parseGlobs refuses lists that are too long, and ones that only take away", () => {
  assert.throws(
    () => parseGlobs(Array.from({ length: 257 }, (_, i) => `a${i}`)),
    /Too many globs: 257, expected 256/,
  );
  assert.throws(
    () => parseGlobs(Array.from({ length: 20 }, () => "x".repeat(1000))),
    /expected 16384 at most/,
  );
  assert.throws(() => parseGlobs(["!a", "!b"]), /"!a" takes away from nothing/);
  assert.throws(() => parseGlobs(["a|b", "fine", "[x"]), /"a\|b".*\n.*"\[x"/);
  assert.equal(parseGlobs([]).length, 0);
});

test("matchesGlob works in proportion to the glob and the path, whatever they are", () => {
  for (
    const [glob, path] of [
      [(n: number) => `${"*a".repeat(n)}b`, (n: number) => "a".repeat(4 * n)],
      [(n: number) => `${"*".repeat(1)}${"a".repeat(n)}b`, (n: number) => "a".repeat(4 * n)],
      [(n: number) => `${"**/".repeat(n)}b`, (n: number) => "a/".repeat(4 * n) + "c"],
      [(n: number) => `${"**/a/".repeat(n)}b`, (n: number) => "a/".repeat(4 * n) + "c"],
      [(n: number) => `${"?*".repeat(n)}b`, (n: number) => "a".repeat(4 * n)],
      [(n: number) => `${"[!b]*".repeat(n)}b`, (n: number) => "a".repeat(4 * n)],
      [(n: number) => `${"{a,*a}".repeat(8)}${"*a".repeat(n)}b`, (n: number) => "a".repeat(4 * n)],
    ] as const
  ) {
    const n = 60;
    const work = { steps: 0 };
    const parsed = parseGlob(glob(n));
    assert.equal(matchesGlob(parsed, path(n), work), false);
    const length = parsed.alternatives.reduce(
      (sum, { parts }) =>
        sum + parts.reduce((sum, part) => sum + (typeof part === "string" ? 1 : part.tokens.length), 0),
      0,
    );
    assert.ok(work.steps <= 4 * length * path(n).length, `${glob(1)}: ${work.steps} steps`);
  }
});
