import assert from "node:assert/strict";
import { test } from "node:test";
import { addTests, emptySummary, readJunit } from "../../lib/build/reports/junit.ts";

/** Reads a text in pieces, as it may arrive. */
const read = (text: string, piece = 7) =>
  readJunit((async function* () {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  })());

test("readJunit counts tests of all suites, with what failed and how long it took", async () => {
  const tests = await read(`\ufeff<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="outer"><testsuite name="inner">
  <testcase classname="com.Ä" name="one" time="1,001.5"/>
  <testcase classname="com.Ä" name="com.Ä.two" time="2"><failure message="expected &lt;1&gt;&#10; got 2">at x</failure></testcase>
  <testcase name="three"><error><![CDATA[
     boom \u0001
  ]]></error></testcase>
  <testcase name="four" time="-1"><skipped message="no"/></testcase>
</testsuite></testsuite></testsuites>`);
  const summary = emptySummary();
  addTests(summary, tests);
  assert.deepEqual(summary, {
    reports: 1,
    tests: 4,
    failures: 2,
    skipped: 1,
    seconds: 1003.5,
    failed: [{ name: "com.Ä.two", message: "expected <1>; got 2" }, {
      name: "three",
      message: "boom \ufffd",
    }],
    slowest: [{ name: "com.Ä.one", seconds: 1001.5 }, { name: "com.Ä.two", seconds: 2 }],
  });
});

test("readJunit refuses what is hostile or no report, and expands nothing", async () => {
  const inside = (text: string) => `<testsuite><testcase name="a">${text}</testcase></testsuite>`;
  const cases: [string, RegExp][] = [
    [
      `<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>${inside("<failure>&b;</failure>")}`,
      /undefined entity/,
    ],
    [`<!DOCTYPE l [<!ENTITY e SYSTEM "file:///etc/passwd">]>${inside("&e;")}`, /undefined entity/],
    ["<testsuite>".repeat(200), /nested more than 100 deep/],
    ["<html></html>", /begins with <html>, expected <testsuites> or <testsuite>/],
    ["", /root element/],
    ["PK\u0003\u0004", /./],
    [inside("<failure>").slice(0, -30), /unclosed|unexpected/],
  ];
  for (const [text, expected] of cases) await assert.rejects(read(text), expected, text.slice(0, 40));
});

test("readJunit and addTests keep little of much", async () => {
  const long = "x".repeat(100_000);
  const one = `<testcase name="${long}" time="1"><failure message="${long}">${long}</failure></testcase>`;
  const summary = emptySummary();
  addTests(summary, await read(`<testsuite>${one.repeat(40)}</testsuite>`, 65_536));
  assert.deepEqual([summary.tests, summary.failures], [40, 40]);
  assert.ok(JSON.stringify(summary).length < 10_000);
});

test("readJunit takes a failure's message from the failure, and not from what else its test printed", async () => {
  const messages = async (inside: string) =>
    (await read(`<testsuite><testcase name="t">${inside}</testcase></testsuite>`)).map(({ message }) =>
      message
    );
  const most = "x".repeat(150);
  assert.deepEqual(await messages(`<failure message="${most}"/>`), [most]);
  assert.deepEqual(await messages(`<failure message="${most}x"/>`), [`${most}…`]);
  for (const kind of ["failure", "error"]) {
    const noise = "<system-out>noise</system-out>";
    assert.deepEqual(await messages(`noise${noise}<${kind}/>`), [""]);
    assert.deepEqual(await messages(`<${kind}/>${noise}`), [""]);
    assert.deepEqual(await messages(`<${kind}>why</${kind}>${noise}`), ["why"]);
  }
});
