import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGlobs } from "../../lib/base/glob/glob.ts";
import { chooseFiles } from "../../lib/build/artifacts/choose.ts";
import type { Found, Session } from "../../lib/build/artifacts/session.ts";

type Folder = Record<string, Found>;
const file = (path: string, size: number | undefined = 1): Found => ({ kind: "file", path, size });
const folder = (path: string, files: string[] = [], links: string[] = []): Found => ({
  kind: "folder",
  path,
  listing: { files, links, sizes: new Map(files.map((name) => [name, name.length])) },
});

/**
 * What the globs choose of a workspace in which these names are found; also what was asked, and of which
 * names.
 */
async function choose(globs: string[], found: Folder, { signal = new AbortController().signal } = {}) {
  const asked: string[] = [];
  const session: Pick<Session, "look"> = {
    look: (questions) =>
      Promise.resolve(questions.map(({ how, name }): Found => {
        asked.push(`${how} ${name}`);
        return found[name] ?? { kind: "nothing" };
      })),
  };
  const { files, unmatched, leftOut, unkept } = await chooseFiles(
    session as Session,
    parseGlobs(globs),
    { signal },
  );
  return {
    asked,
    files: files.map(({ name, path, size }) =>
      name === path ? `${name} ${size}` : `${name} -> ${path} ${size}`
    ),
    unmatched: unmatched.map(({ glob, isTaken }) => `${glob.text}${isTaken ? " (taken)" : ""}`),
    leftOut: leftOut.map(({ name, why }) => `${name}: ${why}`),
    unkept: unkept.map(({ name, why }) => `${name}: ${why}`),
  };
}

test("chooseFiles looks once into each folder that a glob names, and not again into one below it", async () => {
  const { asked } = await choose(["out/*.a", "out/deep/*.b", "other/x", "outer/y"], {});
  assert.deepEqual(asked, ["list out", "list other/x", "list outer/y"]);
  assert.deepEqual((await choose(["*.a", "out/*.b"], {})).asked, ["list "]);
});

test("chooseFiles takes what a glob chooses and none takes away, by name, and tells which globs chose nothing", async () => {
  const found = { "": folder("", ["b.log", "a.log", "a.txt", "deep/c.log"]) };
  const chosen = await choose(["*.log", "**/c.*", "*.zip", "a.txt", "!a.*"], {
    ...found,
    "a.txt": file("a.txt"),
  });
  assert.deepEqual(chosen.files, ["b.log 5", "deep/c.log 10"]);
  assert.deepEqual(chosen.unmatched, ["*.zip", "a.txt (taken)"]);
  assert.deepEqual(chosen.leftOut, []);
});

test("chooseFiles follows a link to a file under the link's name, and one to a folder only where a glob names it", async () => {
  const found = {
    "": folder("", [], ["latest", "dir", "gone"]),
    latest: file("build/v2.apk", 7),
    dir: folder("build", ["x.apk"]),
    gone: { kind: "dangling" } as const,
  };
  const whole = await choose(["*"], found);
  assert.deepEqual(whole.files, ["latest -> build/v2.apk 7"]);
  assert.deepEqual(whole.leftOut, [
    "dir: it links to a folder, which a glob has to name",
    "gone: it links to nothing",
  ]);
  assert.deepEqual((await choose(["dir/*.apk"], found)).files, ["dir/x.apk -> build/x.apk 5"]);
  assert.deepEqual((await choose(["*", "!latest"], found)).asked, ["list ", "what dir", "what gone"]);
});

test("chooseFiles keeps nothing out of the workspace, and of .git only what a glob names", async () => {
  const outside = { "": folder("", [], ["away"]), away: file(undefined as never) };
  const away = await choose(["*"], outside);
  assert.deepEqual([away.files, away.leftOut, away.unkept], [[], [], [
    "away: it links to something outside of the workspace",
  ]]);
  const git = { "": folder("", [], ["head"]), head: file(".git/HEAD", 3), ".git": folder(".git", ["HEAD"]) };
  const hidden = await choose(["*"], git);
  assert.deepEqual([hidden.files, hidden.leftOut], [[], [
    "head: it links into .git, which a glob has to name",
  ]]);
  assert.deepEqual((await choose([".git/HEAD"], { ".git/HEAD": file(".git/HEAD", 3) })).files, [
    ".git/HEAD 3",
  ]);
});

test("chooseFiles lets others have their turn however much its globs have to look at, and ends when told to", async () => {
  // Each name takes ten thousand steps: the star is tried at each of its characters.
  const glob = `*${"a".repeat(100)}b`;
  const names = Array.from({ length: 100 }, (_, i) => `${"a".repeat(200)}${i}`);
  for (const [files, links] of [[names, []], [[], names]]) {
    const stop = new AbortController();
    const reason = new Error("told to stop");
    setImmediate(() => stop.abort(reason));
    const choosing = choose([glob], { "": folder("", files, links) }, { signal: stop.signal });
    await assert.rejects(choosing, reason);
  }
  assert.deepEqual((await choose([glob], { "": folder("", names) })).unmatched, [glob]);
});

test("chooseFiles keeps no names that no artifact can have and no files of unknown size, and tells of each", async () => {
  const long = "x".repeat(1025);
  const unkept: [string, string][] = [
    [long, "its path has 1025 bytes, expected 1024 at most"],
    ["a\\b", "its name has a control character or a backslash"],
    ["a\nb", "its name has a control character or a backslash"],
    ["a\udcffb", "its name is not UTF-8"],
    ["a\ufffdb", "its name has U+FFFD, the sign for what cannot be read"],
  ];
  const names = unkept.map(([name]) => name);
  const chosen = await choose(["*"], { "": folder("", [...names, "good", "💀"]) });
  assert.deepEqual(chosen.files, ["good 4", "💀 2"]);
  assert.deepEqual(chosen.unkept, unkept.map(([name, why]) => `${name}: ${why}`));
  // What is not chosen is no trouble.
  assert.deepEqual((await choose(["good"], { good: file("good"), "": folder("", names) })).unkept, []);
  assert.deepEqual((await choose(["*", "!a*", "!x*"], { "": folder("", names) })).unkept, []);
  const bounds = ["x".repeat(1024), `${"x".repeat(1023)}\udcff`];
  assert.deepEqual((await choose(["*"], { "": folder("", bounds) })).unkept, [
    `${bounds[1]}: its name is not UTF-8`,
  ]);
  assert.deepEqual((await choose(["a"], { a: { kind: "file", path: "a", size: undefined } })).unkept, [
    "a: its size cannot be told",
  ]);
});

test("chooseFiles tells of a file that a link with a good name leads to, and of a link whose name has a line break", async () => {
  const found = {
    "": folder("", [], ["latest", "li\nnk", "b\udcfed"]),
    latest: file("out/v\udcff", 7),
    "b\udcfed": file("good", 1),
  };
  const { asked, unkept } = await choose(["*"], found);
  assert.deepEqual(asked, ["list ", "what latest", "what b\udcfed"]);
  assert.deepEqual(unkept, [
    "li\nnk: its name has a control character or a backslash",
    'latest: the file is "out/v\\xff", and its name is not UTF-8',
    "b\udcfed: its name is not UTF-8",
  ]);
  assert.deepEqual((await choose(["*", "!li*", "!latest", "!b*"], found)).unkept, []);
  const around = await choose(["*/out.txt"], {
    "": folder("", ["a/out.txt"], ["li\nnk"]),
  });
  assert.deepEqual([around.files, around.unkept, around.leftOut], [["a/out.txt 9"], [], [
    "li\nnk: its name has a control character or a backslash",
  ]]);
});

test("chooseFiles looks for a name with a line break in the folder around it", async () => {
  const found = { out: folder("out", ["a\nb/c"]) };
  const { asked, unkept, unmatched } = await choose(["out/a\nb/c"], found);
  assert.deepEqual([asked, unmatched], [["list out"], []]);
  assert.deepEqual(unkept, ["out/a\nb/c: its name has a control character or a backslash"]);
});
