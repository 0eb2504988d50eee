import assert from "node:assert/strict";
import { test } from "node:test";
import { checkBlobName, checkSubject } from "../../lib/backend/shared/checks.ts";
import { linesOf } from "../../lib/backend/shared/log-batch.ts";
import { nestingOf, parseJson } from "../../lib/base/json.ts";
import { onOneLine, withoutTrailing } from "../../lib/base/text.ts";
import { parseDuration, parseSize } from "../../lib/base/units.ts";
import { parseFacts } from "../../lib/build/git/clone-facts.ts";
import { parseKnownHosts } from "../../lib/build/git/known-hosts.ts";
import { parseConfig } from "../../lib/build/git/local/config.ts";
import { isRefName } from "../../lib/build/git/local/refs.ts";
import { matchesGlob, parseGlob } from "../../lib/base/glob/glob.ts";
import { checkRef, parseRepository } from "../../lib/build/repository.ts";
import { showCommand } from "../../lib/build/show-command.ts";
import { neutral } from "../../lib/driver/program/command-line/neutral.ts";
import { parseImageName } from "../../lib/docker/image-name.ts";
import { decodeEvent } from "../../lib/driver/understand/decode.ts";
import { looksSigned } from "../../lib/engine/http/signed-token.ts";
import { readSubmission } from "../../lib/engine/http/submission.ts";
import { compileSchema } from "../../lib/engine/shell/json-schema.ts";
import { logLines } from "../../lib/engine/core/log-lines.ts";
import { parseBuildSpec } from "../../lib/build/spec.ts";
import { describeIssues } from "../../lib/wire/issues.ts";
import { token } from "../../lib/wire/resource.ts";

const log = (message: string) => {
  const line = { runid: "r", driver: "d", timestamp: "9".repeat(9), message };
  return logLines("r", { cursor: "", firstSeq: 1, step: "s", attempt: 1, lines: [line] }, undefined);
};
const batch = (text: string) =>
  linesOf(
    {
      run: "r",
      first: 1,
      at: 0,
      lines: 1,
      step: "s",
      attempt: 1,
      data: new TextEncoder().encode(text),
    } as never,
  );
const spec = (value: unknown) => {
  const parsed = parseBuildSpec(value);
  return parsed.success || describeIssues(parsed.error, value, "spec");
};
const glob = (pattern: string) => (name: string) => matchesGlob(parseGlob(pattern), name);
const event = (text: string) => decodeEvent(new TextEncoder().encode(text), ["t"]);

const schema = compileSchema({
  properties: {
    text: { pattern: "^(a+)+$" },
    names: { patternProperties: { "^([a-z0-9]+-?)+$": false } },
    items: { uniqueItems: true },
  },
});

/** Who reads texts of others, and the texts that are worst for it, of about `n` characters. */
const READERS: [name: string, reads: (text: string) => unknown, texts: ((n: number) => string)[]][] = [
  ["parseDuration", parseDuration, [
    (n) => `${"1".repeat(n)}x`,
    (n) => `${"1.".repeat(n / 2)}x`,
    (n) => `1m${"1".repeat(n)}`,
  ]],
  ["parseSize", parseSize, [(n) => `${"1".repeat(n)}x`, (n) => `${"1".repeat(n)}.${"1".repeat(n)}`]],
  ["withoutTrailing", (text) => withoutTrailing(text, "/"), [
    (n) => `${"/".repeat(n)}x`,
    (n) => "/".repeat(n),
  ]],
  ["onOneLine", onOneLine, [
    (n) => `${" ".repeat(n)}x`,
    (n) => `x${" ".repeat(n)}x`,
    (n) => " \n".repeat(n / 2),
  ]],
  ["showCommand", showCommand, [(n) => `x${" ".repeat(n)}x`, (n) => "\n".repeat(n)]],
  ["showCommand of words", (text) => showCommand([text]), [(n) => `${"a".repeat(n)} `, (n) => "'".repeat(n)]],
  ["logLines", log, [(n) => `${"\n".repeat(n)}x`, (n) => "\r\n".repeat(n / 2), (n) => "x\n".repeat(n / 2)]],
  ["log batches", batch, [(n) => "[".repeat(n), (n) => `{"a":"${'\\"'.repeat(n / 2)}"}`]],
  ["neutral", neutral, [
    (n) => "\x1b[".repeat(n / 2),
    (n) => `\x1b[${"1;".repeat(n / 2)}`,
    (n) => "\x9b".repeat(n),
  ]],
  ["nestingOf", nestingOf, [(n) => "[".repeat(n), (n) => `"${"\\".repeat(n)}`, (n) => '"\\'.repeat(n / 2)]],
  ["parseJson", parseJson, [
    (n) => "[".repeat(n),
    (n) => '{"a":'.repeat(n / 5),
    (n) => "[]".repeat(n / 2),
    (n) => `"${"\\u".repeat(n / 2)}`,
  ]],
  ["decodeEvent", event, [
    (n) => "[".repeat(n),
    (n) => `{"run_id":"${"-".repeat(n)}"}`,
    (n) => `{"payload":"${"[".repeat(n)}"}`,
  ]],
  ["readSubmission", readSubmission, [
    (n) => "[".repeat(n),
    (n) => `{"resource":${"[".repeat(n)}`,
    (n) => `{${'"a":1,'.repeat(n / 6)}"b":1}`,
  ]],
  ["parseRepository", parseRepository, [
    (n) => `${"a".repeat(n)}:`,
    (n) => `${"a@".repeat(n / 2)}b:c`,
    (n) => `https://h/${"/".repeat(n)}x`,
    (n) => `https://${"a:".repeat(n / 2)}@h/x`,
    (n) => "//".repeat(n / 2),
  ]],
  ["checkRef", checkRef, [(n) => "a/".repeat(n / 2), (n) => ".".repeat(n), (n) => `${"a".repeat(n)}~`]],
  ["isRefName", isRefName, [(n) => `refs/${"a/".repeat(n / 2)}`, (n) => ".".repeat(n)]],
  ["parseImageName", parseImageName, [
    (n) => "a-".repeat(n / 2),
    (n) => `${"a".repeat(n)}!`,
    (n) => `${"a.".repeat(n / 2)}/b`,
    (n) => `a@${"a-".repeat(n / 2)}`,
    (n) => `a@sha256:${"0".repeat(n)}x`,
    (n) => "_".repeat(n),
  ]],
  ["parseConfig", parseConfig, [
    (n) => `[a "${"\\".repeat(n)}`,
    (n) => `[${"a".repeat(n)}`,
    (n) => `[a${" ".repeat(n)}`,
    (n) => `[a]\nb = c${" ".repeat(n)}d`,
    (n) => `[a]\nb${" ".repeat(n)}c`,
    (n) => "[a]".repeat(n / 3),
    (n) => "[a]\n".repeat(n / 4),
  ]],
  ["parseFacts", parseFacts, [
    (n) => `blocks=/dev${" ".repeat(n)}`,
    (n) => `blocks=${"1 ".repeat(n / 2)}`,
    (n) => `error=${"[".repeat(n)}`,
    (n) => `http=${"=> Send header: GET ".repeat(n / 20)}`,
  ]],
  ["parseKnownHosts", parseKnownHosts, [
    (n) => "a,".repeat(n / 2),
    (n) => `${"a".repeat(n)} x y`,
    (n) => " ".repeat(n),
  ]],
  ["looksSigned", looksSigned, [
    (n) => "a".repeat(n),
    (n) => "a.".repeat(n / 2),
    (n) => `a.a.${"a".repeat(n)}!`,
  ]],
  ["token", (text) => token.safeParse(text), [(n) => "a".repeat(n)]],
  ["checkSubject", checkSubject, [(n) => "a.".repeat(n / 2), (n) => `${"a".repeat(n)} `]],
  ["checkBlobName", (text) => checkBlobName("r", text), [
    (n) => "a/".repeat(n / 2),
    (n) => "../".repeat(n / 3),
  ]],
  ["parseBuildSpec", (text) => spec({ repository: "r", env: [{ name: text, value: text }] }), [
    (n) => "A".repeat(n),
    (n) => `${"A".repeat(n)}!`,
  ]],
  ["parseBuildSpec of many", (text) => spec({ repository: 1, env: text.split("") }), [
    (n) => "x".repeat(n / 16),
  ]],
  ["a schema's pattern", (text) => schema({ text, names: { [text]: 1 } }, "spec"), [
    (n) => `${"a".repeat(n)}_`,
    (n) => "a".repeat(n),
    (n) => "a-".repeat(n / 2),
  ]],
  ["a schema's uniqueItems", (text) => schema({ items: Array.from(text, (_, i) => i) }, "spec"), [
    (n) => "x".repeat(n),
  ]],
  [
    "a schema's uniqueItems of objects",
    (text) => schema({ items: Array.from(text, (_, i) => ({ i })) }, "spec"),
    [
      (n) => "x".repeat(n),
    ],
  ],
  ["parseGlob", parseGlob, [(n) => "[".repeat(n), (n) => "{a,".repeat(n / 3), (n) => "\\".repeat(n)]],
  ["matchesGlob", glob(`${"*a".repeat(20)}b`), [(n) => "a".repeat(n), (n) => "a/".repeat(n / 2)]],
  ["matchesGlob of folders", glob(`${"**/a/".repeat(20)}b`), [
    (n) => "a/".repeat(n / 2),
    (n) => "a".repeat(n),
  ]],
];

/** Microseconds of CPU. What is refused is refused by throwing. */
function cost(reads: (text: string) => unknown, text: string): number {
  const before = process.cpuUsage();
  try {
    reads(text);
  } catch (error) {
    assert.ok(error instanceof Error && error.name !== "RangeError", String(error));
  }
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const N = 16_000;
const TIMES = 8;

for (const [name, reads, texts] of READERS) {
  test(`${name} reads the worst of texts in time that grows no faster than they do`, () => {
    for (const [i, text] of texts.entries()) {
      const [short, long] = [cost(reads, text(N)), cost(reads, text(TIMES * N))];
      // The square would be 64 times as much.
      assert.ok(long <= 4 * TIMES * short + 100_000, `text ${i}: ${short} µs, then ${long} µs`);
    }
  });
}
