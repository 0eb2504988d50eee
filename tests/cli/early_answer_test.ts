import assert from "node:assert/strict";
import { test } from "node:test";
import { earlyCompletion } from "../../lib/cli/completion/early-completion.ts";
import { completionScript } from "../../lib/cli/completion/completion-script.ts";
import { answersEarly } from "../../lib/cli/early-answer.ts";
import { earlyHelp } from "../../lib/cli/early-help.ts";
import { version } from "../../lib/driver/program/command-line/version.ts";

/** What is written for these words; undefined where they are left to the whole program. */
function answer(name: string, ...words: string[]): string | undefined {
  let written: string | undefined;
  const isAnswered = answersEarly(name, words, {
    ...name === "flutter-ci" && { also: earlyCompletion },
    write: (text) => {
      written = text;
      return Buffer.byteLength(text);
    },
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
  assert.equal(answersEarly("flutter-ci", ["--version"], { write: full }), false);
  assert.equal(answersEarly("flutter-ci", ["--version"], { write: () => 1 }), false);
});

const TEXTS = {
  "flutter-ci": { "": "all\n", "run": "run it\n", "new driver": "new one\n", "help": "of help\n" },
  "builder": { "": "\x1b[1mUsage:\x1b[22m  builder [flags]\n  --api <url>  control plane\n" },
};
const PIPE = { columns: undefined, hasColours: false };

test("help is answered early for every way to ask for it", () => {
  const help = (name: string, ...words: string[]) => earlyHelp(name, words, TEXTS, () => PIPE);
  for (const words of [[], ["-t"], ["--toggle", "-t"], ["--help"], ["-h"], ["help"]]) {
    assert.equal(help("flutter-ci", ...words), "all\n", words.join(" "));
  }
  for (const words of [["run", "--help"], ["run", "-h"], ["help", "run"]]) {
    assert.equal(help("flutter-ci", ...words), "run it\n", words.join(" "));
  }
  assert.equal(help("flutter-ci", "new", "driver", "-h"), "new one\n");
  assert.equal(help("flutter-ci", "help", "--help"), "of help\n");
  for (const words of [["--help"], ["-h"]]) {
    assert.match(help("builder", ...words) ?? "", /^Usage: {2}builder/);
  }
});

test("words that ask for anything else than a known help are left to the whole program", () => {
  const others = [
    ["-t", "--help"],
    ["--help", "run"],
    ["run"],
    ["run", "-f", "--help"],
    ["run", "--driver", "own.ts", "--help"],
    ["run", "--help", "--help"],
    ["help", ""],
    ["", "--help"],
    ["new driver", "--help"],
    ["help", "new driver"],
    ["help", "rnu"],
    ["help", "new", "driver"],
    ["constructor", "--help"],
    ["help", "toString"],
  ];
  for (const words of others) {
    assert.equal(earlyHelp("flutter-ci", words, TEXTS, () => PIPE), undefined, words.join(" "));
  }
  for (const words of [[], ["help"], ["-t"], ["run", "--help"]]) {
    assert.equal(earlyHelp("builder", words, TEXTS, () => PIPE), undefined, words.join(" "));
  }
  assert.equal(earlyHelp("constructor", ["--help"], TEXTS, () => PIPE), undefined);
  assert.equal(earlyHelp("flutter-ci", ["--help"]), undefined, "from source no text is inserted");
});

test("an early help has the width and the styles of its screen", () => {
  const on = (columns: number | undefined, hasColours: boolean) =>
    earlyHelp("builder", ["-h"], {
      builder: { "": `${TEXTS.builder[""]}${"word ".repeat(20).trim()}\n` },
    }, () => ({ columns, hasColours }));
  assert.ok(on(undefined, true)?.startsWith("\x1b[1mUsage:"));
  assert.match(on(undefined, false) ?? "", /^Usage:.*\n.*\n(?:word ){19}word\n$/);
  assert.match(on(50, false) ?? "", /\n(?:word ){9}word\n(?:word ){9}word\n$/);
});
