import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkBlobName,
  checkConsumer,
  checkFilter,
  checkSize,
  checkSubject,
  streamOf,
  withoutCovered,
} from "../../lib/backend/shared/checks.ts";
import { factsOf, linesOf } from "../../lib/backend/shared/log-batch.ts";
import { InputError } from "../../lib/base/errors.ts";
import { matches } from "../../lib/wire/subjects.ts";

const takes = (check: () => void): boolean => {
  try {
    check();
    return true;
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return false;
  }
};
const consumer = (...filters: string[]) =>
  ({ name: "c", stream: "messages", filters, ackWaitMs: 1 }) as Parameters<typeof checkConsumer>[0];

/** All texts of up to so many of these tokens. */
function joined(tokens: readonly string[], most: number): string[] {
  if (most === 0) return [];
  const shorter = joined(tokens, most - 1);
  return [...new Set([...tokens, ...shorter.flatMap((rest) => tokens.map((token) => `${token}.${rest}`))])];
}

const SUBJECTS = joined(["a", "b", "c"], 4).map((rest) => `resources.${rest}`);
const FILTERS = joined(["a", "b", "*", ">"], 3).filter((rest) => takes(() => checkFilter(rest)))
  .map((rest) => `resources.${rest}`);
const matched = new Map(
  FILTERS.map((filter) => [filter, new Set(SUBJECTS.filter((subject) => matches(filter, subject)))]),
);
const of = (filter: string) => matched.get(filter) ?? new Set<string>();
const isWithin = (part: ReadonlySet<string>, whole: ReadonlySet<string>) =>
  [...part].every((subject) => whole.has(subject));

test("checkConsumer refuses two filters for which one message would come twice, unless one covers the other", () => {
  assert.ok(FILTERS.length > 40);
  for (const one of FILTERS) {
    for (const other of FILTERS) {
      const [a, b] = [of(one), of(other)];
      const isFine = isWithin(a, b) || isWithin(b, a) || ![...a].some((subject) => b.has(subject));
      assert.equal(takes(() => checkConsumer(consumer(one, other))), isFine, `${one} ${other}`);
    }
  }
  const third = consumer("resources.x", "resources.*.a", "resources.a.*");
  assert.throws(() => checkConsumer(third), /"resources\.\*\.a" and "resources\.a\.\*"/);
});

test("withoutCovered leaves as few filters as match the same subjects", () => {
  for (const one of FILTERS) {
    for (const other of FILTERS) {
      const left = withoutCovered([one, other, one]);
      const all = new Set(left.flatMap((filter) => [...of(filter)]));
      assert.ok(isWithin(of(one), all) && isWithin(of(other), all), `${one} ${other}`);
      const isOne = isWithin(of(one), of(other)) || isWithin(of(other), of(one));
      assert.equal(left.length, isOne ? 1 : 2, `${one} ${other}`);
    }
  }
});

test("a consumer has a name that is one token, and filters within its stream", () => {
  for (const name of ["", "a.b", "a b", "a*", "a>", "a/b", "a\\b", "a\tb", "a\x7f"]) {
    assert.ok(!takes(() => checkConsumer({ ...consumer("resources.t"), name })), JSON.stringify(name));
  }
  assert.ok(takes(() => checkConsumer(consumer("resources.t", "events.>"))));
  const bad = ["logs.>", ">", "resources", "resources.a b", "resources.>.t", "resources.a."];
  for (const filters of [[], ...bad.map((filter) => [filter]), ["resources.t", "pipelines.x"]]) {
    assert.ok(!takes(() => checkConsumer(consumer(...filters))), JSON.stringify(filters));
  }
});

test("a subject is tokens joined by dots that some stream keeps, and only a filter has wildcards", () => {
  assert.deepEqual(["resources.t", "drivers.a.b", "pipelines.x", "logs.r"].map(streamOf), [
    "messages",
    "messages",
    "pipeline-engine",
    "logs-engine",
  ]);
  for (const subject of ["resources", "other.t", "live.logs.r.a", "resources.a b", "logs.*"]) {
    assert.ok(!takes(() => streamOf(subject)));
  }
  for (const subject of ["", ".", "a.", ".a", "a..b", "a b", "a\nb", "a.*", "a.>", "a*"]) {
    assert.ok(!takes(() => checkSubject(subject)), JSON.stringify(subject));
  }
  for (const filter of ["a", "*", ">", "a.*.b", "*.*", "a.>"]) assert.ok(takes(() => checkFilter(filter)));
  for (const filter of ["", "a.", ">.a", "a.>.b", "a*", "*a", ">>", "a b"]) {
    assert.ok(!takes(() => checkFilter(filter)), JSON.stringify(filter));
  }
});

test("a message's size counts its headers with their separators, in bytes", () => {
  const size = (bytes: number, headers: Record<string, string>) =>
    takes(() => checkSize("s", bytes, headers, 100));
  assert.deepEqual([size(100, {}), size(101, {})], [true, false]);
  assert.deepEqual([size(90, { ab: "€x" }), size(91, { ab: "€x" })], [true, false]);
});

test("an artifact's name is a path of plain segments, of 255 bytes each and 1,024 in all", () => {
  const named = (name: string) => takes(() => checkBlobName("r", name));
  const long = "€".repeat(85);
  assert.deepEqual([named(long), named(`${long}x`)], [true, false]);
  const four = [long, long, long, long].join("/");
  const most = `${four.slice(0, -1)}xx/x`;
  assert.equal(Buffer.byteLength(most), 1024);
  assert.deepEqual([named(four), named(most), named(`${most}x`)], [true, true, false]);
  for (const name of ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a\0b", "a\nb", "a\\b", "a\ud800"]) {
    assert.ok(!named(name), JSON.stringify(name));
    assert.ok(!takes(() => checkBlobName(name, "a")), JSON.stringify(name));
  }
  assert.ok(named("..a/.b/c."));
});

test("a batch is read line by line, and one that is not what it says is one line that says so", () => {
  const log = (message: string) => ({
    runid: "r",
    driver: "d",
    timestamp: "2026-01-01T00:00:00.000Z",
    message,
    step: "s",
    stream: "stdout",
  });
  const read = (text: string, lines: number) =>
    linesOf({ run: "r", at: 0, step: "s", attempt: 1, lines, data: Buffer.from(text) });
  const [one, two] = ["one", "two"].map((message) => JSON.stringify(log(message)));
  assert.deepEqual(read(`${one}`, 1), [log("one")]);
  assert.deepEqual(read(`${one}\n${two}\n`, 2), [log("one"), log("two")]);
  for (const [text, lines] of [[`${one}\n${two}\n`, 3], [`${one}\nnonsense\n`, 2], ["{}", 1]] as const) {
    const [only, ...more] = read(text, lines);
    assert.deepEqual([more, only?.stream, only?.step, only?.runid], [[], "system", "s", "r"]);
    assert.match(only?.message ?? "", /^Cannot read a log batch of \d+ bytes: /);
  }
});

test("a batch that does not say what it is, is one line of a foreign driver, which names itself", () => {
  const line = { runid: "r", driver: "theirs", timestamp: "2026-01-01T00:00:00Z", message: "m" };
  const data = Buffer.from(JSON.stringify(line));
  assert.deepEqual(factsOf({}, data), { lines: 1, step: "theirs", attempt: 0 });
  assert.deepEqual(factsOf({}, Buffer.from("nonsense")), { lines: 1, step: "", attempt: 0 });
  const said = { "Conveyor-Lines": "12", "Conveyor-Step": "s", "Conveyor-Attempt": "3" };
  assert.deepEqual(factsOf(said, data), { lines: 12, step: "s", attempt: 3 });
  for (const odd of ["0", "-1", "1.5", "x", "1e3", "9".repeat(10)]) {
    const facts = factsOf({ "Conveyor-Lines": odd, "Conveyor-Attempt": odd }, data);
    assert.deepEqual([facts.lines, facts.attempt], [1, 0], odd);
  }
});
