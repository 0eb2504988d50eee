import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseAllYaml,
  parseYaml,
  refuseRounded,
  YamlError,
} from "../../lib/cli/shared/request/parse-yaml.ts";

test("parseYaml reads YAML and JSON, anchors and aliases included", async () => {
  const text = "spec:\n  base: &base {a: 1}\n  env: [*base, *base]\n  text: |\n    two\n    lines\n";
  const expected = { spec: { base: { a: 1 }, env: [{ a: 1 }, { a: 1 }], text: "two\nlines\n" } };
  assert.deepEqual((await parseYaml(text)).value, expected);
  assert.deepEqual((await parseYaml(JSON.stringify(expected))).value, expected);
  assert.ok(await parseYaml("[".repeat(64) + "]".repeat(64)));
});

test("parseYaml refuses what would take its parser more than a moment, and names the limit", async () => {
  const many = (n: number, make: (i: number) => string) =>
    Array.from({ length: n }, (_, i) => make(i)).join("");
  const cases: [string, RegExp][] = [
    ["x".repeat(256 * 1024 + 1), /it has 262145 bytes, expected 262144 at most/],
    ["a: " + "[".repeat(200_000), /nested more than 64 deep/],
    ["[".repeat(65) + "]".repeat(65), /nested more than 64 deep/],
    ['{"a":'.repeat(30_000), /nested more than 64 deep/],
    ["- ".repeat(50_000), /nested more than 64 deep/],
    ["? ".repeat(50_000), /nested more than 64 deep/],
    [many(100, (i) => `${" ".repeat(i)}a:\n`), /nested more than 64 deep/],
    [many(20_000, (i) => `a${i}: 1\n`), /more than 5000 entries/],
    [`{${many(20_000, (i) => `a${i},`)}}`, /more than 5000 entries/],
    [`a: &a x\n${many(101, (i) => `b${i}: *a\n`)}`, /more than 100 aliases/],
  ];
  for (const [text, message] of cases) await assert.rejects(parseYaml(text), message, text.slice(0, 20));
  // The most of each that is read.
  assert.ok(await parseYaml(many(5000, (i) => `- a${i}\n`)));
  await assert.rejects(parseYaml(many(5001, (i) => `- a${i}\n`)), /more than 5000 entries/);
  assert.ok(await parseYaml(`a: &a x\n${many(100, (i) => `b${i}: *a\n`)}`));
  assert.ok(await parseYaml(`# ${"x".repeat(256 * 1024 - 7)}\na: 1`));
});

test("parseYaml says where a text is no YAML", async () => {
  for (const [text, offset] of [["a: [b\nc: d", 6], ["a: 1\na: 2\n", 5]] as const) {
    await assert.rejects(parseYaml(text), (error) => error instanceof YamlError && error.offset === offset);
  }
});

test("parseYaml refuses what would be left out: a second document, a tag of others, an alias of nothing", async () => {
  const cases = [
    ["a: 1\n---\nb: 2\n", 5, "it has several documents: expected one"],
    ["a: !reference [b]\n", 3, "Unresolved tag: !reference"],
    ["a: *c\n", 3, 'nothing before it has the anchor "c"'],
    ["a: *b\nb: &b 1\n", 3, 'nothing before it has the anchor "b"'],
  ] as const;
  for (const [text, offset, message] of cases) {
    await assert.rejects(
      parseYaml(text),
      (error) => error instanceof YamlError && error.offset === offset && error.message === message,
      text,
    );
  }
  assert.deepEqual((await parseYaml("---\na: 1\n...\n")).value, { a: 1 });
});

test("parseYaml refuses an alias that leads back to itself", async () => {
  for (const text of ["a: &a {b: *a}", "&a [*a]", "a: &a [{b: [*a]}]", "{a: &a {b: &b {c: *a}}, d: *b}"]) {
    await assert.rejects(parseYaml(text), (error) => {
      return error instanceof YamlError && error.message === "an alias in it leads back to itself";
    }, text);
    await assert.rejects(parseAllYaml(`x: 1\n---\n${text}`), YamlError, text);
  }
});

test("parseYaml refuses aliases that stand for too much", async () => {
  const level = (i: number) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1},`.repeat(8)}]\n`;
  await assert.rejects(
    parseYaml(Array.from({ length: 12 }, (_, i) => level(i)).join("")),
    /Excessive alias count/,
  );
});

test("parseAllYaml gives JSON with the digits of the text, and refuses what is no number there", async () => {
  const text =
    "a: 12345678901234567890\nb: [0x1F, 0o17, +7, -007, .5, 1., 1.10, 1e3, -0.0]\n12: &x {c: .25}\nd: *x\n";
  const [found] = await parseAllYaml(text);
  assert.equal(
    found?.json,
    '{"12":{"c":0.25},"a":12345678901234567890,"b":[31,15,7,-7,0.5,1,1.10,1e3,-0.0],"d":{"c":0.25}}',
  );
  assert.deepEqual(JSON.parse(found?.json ?? ""), found?.value);
  for (const number of [".inf", "-.INF", ".nan", "1e999"]) {
    await assert.rejects(parseAllYaml(`a: ${number}`), (error) => {
      return error instanceof YamlError && error.message.includes(`${number} is no number`) &&
        error.offset === 3;
    });
  }
});

test("refuseRounded refuses a whole number that would become another one", async () => {
  for (const number of ["12345678901234567890123", "-9007199254740993", "9".repeat(400)]) {
    const { document } = await parseYaml(`a:\n  b: ${number}`);
    await assert.rejects(refuseRounded(document, ["a"]), (error) => {
      return error instanceof YamlError && error.message.startsWith(`${number} would not be kept`) &&
        error.offset === 8;
    });
    await refuseRounded(document, ["c"]);
  }
  await refuseRounded(
    (await parseYaml("[9007199254740992, 1e300, 0.1, +1, 007, 0xff, '99999999999999999999']")).document,
  );
});
