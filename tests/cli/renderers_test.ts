// deno-lint-ignore-file no-control-regex
import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { RunEnded, RunEvent } from "../../lib/engine/core/events.ts";
import { HINTS } from "../../lib/cli/shared/render/hints.ts";
import { jsonRenderer } from "../../lib/cli/shared/render/json.ts";
import type { Output } from "../../lib/cli/shared/render/output.ts";
import { plainRenderer } from "../../lib/cli/shared/render/plain.ts";
import { quietRenderer } from "../../lib/cli/shared/render/quiet.ts";
import type { Renderer } from "../../lib/cli/shared/render/renderer.ts";
import { colourStyle, plainStyle } from "../../lib/cli/shared/render/style.ts";
import { terminalRenderer } from "../../lib/cli/shared/render/terminal.ts";
import { REASONS } from "../../lib/wire/reasons.ts";
import { line, RUN, runEnded, runStarted, started, stepEnded } from "./run-events.ts";

/** Keeps what is written. */
function memory(): Output & { text: string } {
  const output = {
    text: "",
    write(text: string) {
      output.text += text;
      return undefined;
    },
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return output;
}

async function show(renderer: Renderer, events: RunEvent[], savedIn?: string): Promise<void> {
  for (const event of events) {
    if (event.type === "end") renderer.end(event, { savedIn });
    else await renderer.show(event);
  }
  await renderer.close();
}

const failed: RunEvent[] = [
  runStarted,
  started("container-start"),
  line(1, "image debian:12", "container-start", "system"),
  stepEnded("container-start", "succeeded", "Started", { host: "h" }),
  started("builder"),
  ...Array.from({ length: 25 }, (_, i) => line(i + 2, `line ${i + 2}`)),
  stepEnded("builder", "failed", "`make` exited with 2", { reason: "command-failed" }),
  started("container-stop"),
  line(27, "bye", "container-stop", "system"),
  stepEnded("container-stop", "succeeded", "Removed"),
  runEnded({ outcome: "failed", reason: "command-failed", message: "`make` exited with 2" }),
];

test("jsonRenderer writes the promised keys in the promised order, and nothing else", async () => {
  const out = memory();
  const artifact = { sha256: "0a", size: 3, path: "build/lib.a", name: "lib.a", extra: 1 };
  await show(jsonRenderer(out, assert.fail), [
    runStarted,
    started("git-cloner"),
    line(1, 'a "quoted" line'),
    stepEnded("git-cloner", "succeeded", "Checked out", { commit: "abc" }),
    runEnded({ artifacts: [artifact as RunEnded["artifacts"][number]] }),
  ]);
  const time = "2026-01-02T03:04:05.678Z";
  const resource = '{"id":"1","name":"app","resource":"flutter-builder","spec":{"repository":"https://x/y"}}';
  assert.equal(
    out.text,
    `{"type":"run","run":"${RUN}","resource":${resource},"time":"${time}"}
{"type":"step","run":"${RUN}","step":"git-cloner","driver":"git-cloner","status":"started","time":"${time}"}
{"type":"log","run":"${RUN}","step":"builder","seq":1,"stream":"stdout","time":"${time}","message":"a \\"quoted\\" line"}
{"type":"step","run":"${RUN}","step":"git-cloner","status":"succeeded","seconds":1.234,"result":{"success":true,"message":"Checked out","data":{"commit":"abc"}}}
{"type":"end","run":"${RUN}","outcome":"succeeded","message":"Built","seconds":61,"lines":3,"artifacts":[{"name":"lib.a","path":"build/lib.a","size":3,"sha256":"0a"}]}
`,
  );
});

test("jsonRenderer gives the reason of what did not succeed", async () => {
  const out = memory();
  await show(jsonRenderer(out, assert.fail), failed);
  const end = JSON.parse(out.text.trimEnd().split("\n").at(-1) ?? "");
  assert.deepEqual(Object.keys(end), [
    "type",
    "run",
    "outcome",
    "reason",
    "message",
    "seconds",
    "lines",
    "artifacts",
  ]);
  assert.equal(end.reason, "command-failed");
});

test("jsonRenderer says at the end why artifacts could not be saved", () => {
  const out = memory();
  const unsaved = 'Cannot save the artifact "a" in "out": no space left there';
  jsonRenderer(out, assert.fail).end(runEnded({}), { savedIn: undefined, unsaved });
  const end = JSON.parse(out.text);
  assert.deepEqual([end.outcome, Object.entries(end).at(-1)], ["succeeded", ["unsaved", unsaved]]);
});

test("jsonRenderer writes lines that no terminal acts on, and that mean the same", async () => {
  const out = memory();
  const nasty = "\x1b[2J \x9b31m \x7f \u2028 \0 \ud800 é";
  await show(jsonRenderer(out, assert.fail), [line(1, nasty)]);
  assert.match(out.text, /^[\x20-\x7e\u00a0-\uffff]*\n$/);
  assert.equal(JSON.parse(out.text).message, nasty);
});

test("plainRenderer shows steps and their lines as they come", async () => {
  const out = memory();
  await show(plainRenderer(out, plainStyle, assert.fail), failed);
  assert.ok(out.text.startsWith(`run ${RUN}
==> container-start
image debian:12
<== container-start succeeded in 1.23 s: Started
==> builder
line 2
line 3
`));
});

test("plainRenderer shows the same with colours, if they are wanted", async () => {
  const [plain, coloured] = [memory(), memory()];
  await show(plainRenderer(plain, plainStyle, assert.fail), failed);
  await show(plainRenderer(coloured, colourStyle, assert.fail), failed);
  assert.match(coloured.text, /^\x1b\[1m==> builder\x1b\[22m$/m);
  assert.match(coloured.text, /^\x1b\[31m<== builder failed in 1\.23 s\x1b\[39m: /m);
  assert.equal(stripVTControlCharacters(coloured.text), plain.text);
});

test("the summary is a table, the lines before the failure, the reason, and what to do next", async () => {
  const out = memory();
  await show(plainRenderer(out, plainStyle, assert.fail), failed);
  const lastLines = Array.from({ length: 10 }, (_, i) => `  line ${i + 17}`).join("\n");
  assert.ok(
    out.text.endsWith(`
step             outcome     seconds
container-start  succeeded      1.23
builder          failed         1.23
container-stop   succeeded      1.23

The last lines before it failed:
${lastLines}

Failed after 1m 01s: \`make\` exited with 2 (command-failed)
Next: ${HINTS["command-failed"]}
`),
    out.text,
  );
});

test("the lines before a failure are the build's, not what is said of reports and artifacts afterwards", async () => {
  const said = (first: number, count: number, text: string) =>
    Array.from({ length: count }, (_, i) => line(first + i, `${text} ${i}`, "builder", "system"));
  const lastLines = async (...lines: RunEvent[]) => {
    const out = memory();
    const events = [runStarted, started("builder"), ...lines, stepEnded("builder", "failed", "no")];
    const end = runEnded({ outcome: "failed", message: "no" });
    await show(plainRenderer(out, plainStyle, assert.fail), [...events, end]);
    return out.text.split("The last lines before it failed:\n")[1]?.split("\n\n")[0]?.trim().split(/\n +/);
  };
  const lines = [line(1, "$ make", "builder", "system"), line(2, "Done", "builder", "system")];
  const commands = [...lines, line(3, "$ make test", "builder", "system"), line(4, "3 failed")];
  const shown = ["$ make", "Done", "$ make test", "3 failed"];
  assert.deepEqual(await lastLines(...commands, ...said(5, 40, "Failed: a")), shown);
  assert.deepEqual(await lastLines(...commands.slice(0, 3), ...said(4, 40, "Left out")), shown.slice(0, 3));
  // A step without commands has nothing but what we say.
  const ten = Array.from({ length: 10 }, (_, i) => `Pulling ${i + 15}`);
  assert.deepEqual(await lastLines(...said(1, 25, "Pulling")), ten);
});

test("the summary lists artifacts and where they are, some of very many", async () => {
  const out = memory();
  const artifacts = Array.from(
    { length: 25 },
    (_, i) => ({ name: `a${i}`, path: `a${i}`, size: 2048, sha256: "" }),
  );
  await show(plainRenderer(out, plainStyle, assert.fail), [runStarted, runEnded({ artifacts })], "out");
  assert.match(out.text, /\nArtifacts in out:\n {2}a0 {3}2\.0 KiB\n/);
  assert.match(out.text, /\n {2}a19 {2}2\.0 KiB\n {2}and 5 more\n\nSucceeded in 1m 01s\n$/);
});

test("a very long line is whole in the log, and only its beginning is among the last lines of a summary", async () => {
  const long = "é".repeat(30_000);
  const events = [
    runStarted,
    started("builder"),
    line(1, long),
    stepEnded("builder", "failed", "no"),
    runEnded({ outcome: "failed", message: "no" }),
  ];
  const out = memory();
  await show(plainRenderer(out, plainStyle, assert.fail), events);
  const shown = out.text.split("\n").filter((line) => line.includes("éé"));
  assert.equal(shown.length, 2);
  assert.equal(shown[0], long);
  assert.equal(shown[1], `  ${"é".repeat(996)}…`);
});

test("what a build prints is shown, never obeyed", async () => {
  const nasty = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\r\x9b1A \u202etxt\u2066\u061c \x7f tab\there";
  const expected = "red ␛]0;title␇ ␛[2J␍�1A �txt�� ␡ tab\there";
  const events = [
    runStarted,
    started("builder"),
    line(1, nasty),
    line(2, "0123456789ab: \x1b[2J", "builder", "system"),
    stepEnded("builder", "failed", `one\n${nasty}`),
    runEnded({
      outcome: "failed",
      message: nasty,
      artifacts: [{ name: nasty, path: "", size: 1, sha256: "" }],
    }),
  ];
  const plain = memory();
  await show(plainRenderer(plain, plainStyle, assert.fail), events);
  assert.ok(plain.text.includes(`\n${expected}\n`));
  assert.ok(plain.text.includes(`: one\n${expected}\n`));
  const terminal = memory();
  await show(onTerminal(terminal), events);
  const quiet = memory();
  await show(quietRenderer(quiet, plainStyle, assert.fail), events);
  for (const { text } of [plain, terminal, quiet]) {
    assert.ok(text.includes(expected));
    const own = text.replaceAll("\r\x1b[K", "").replaceAll(/\x1b\[\d+m/g, "");
    assert.doesNotMatch(own, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202e\u2066]/);
    assert.equal(text.includes("\x1b[31mred"), false);
  }
});

test("quietRenderer writes the outcome and nothing else", async () => {
  const out = memory();
  await show(quietRenderer(out, plainStyle, assert.fail), failed);
  assert.equal(out.text, "Failed after 1m 01s: `make` exited with 2 (command-failed)\n");
});

test("a step that was stopped is shown as cancelled or timed out, not as failed", async () => {
  const cases = [
    ["cancelled", "cancelled", "Cancelled by SIGINT"],
    ["timeout", "timed out", "Took too long"],
  ] as const;
  for (const [reason, word, message] of cases) {
    const outcome = reason === "timeout" ? "timed-out" : reason;
    const events: RunEvent[] = [
      runStarted,
      started("builder"),
      line(1, "at work"),
      stepEnded("builder", "failed", `Stopped: ${reason}`, { reason }),
      stepEnded("container-stop", "succeeded", "Removed"),
      runEnded({ outcome, reason, message }),
    ];
    const [plain, terminal, json] = [memory(), memory(), memory()];
    await show(plainRenderer(plain, plainStyle, assert.fail), events);
    assert.match(plain.text, new RegExp(`<== builder ${word} in 1\\.23 s: `));
    assert.match(plain.text, new RegExp(`\nbuilder +${word} +1\\.23\n`));
    assert.match(plain.text, /\nThe last lines before it was stopped:\n {2}at work\n/);
    assert.doesNotMatch(plain.text, /failed/);
    await show(
      terminalRenderer({ out: terminal, style: plainStyle, columns: () => 80, clock: () => 0 }),
      events,
    );
    assert.match(terminal.text, new RegExp(`✗ builder ${word} in`));
    await show(jsonRenderer(json, assert.fail), events);
    assert.match(json.text, /"step":"builder","status":"failed"/);
  }
});

test("the summary advises to keep the container only where it is not kept already", async () => {
  for (
    const [keep, expected] of [["never", /run again with "--keep failure"/], [
      "failure",
      /the container is kept/,
    ]] as const
  ) {
    const out = memory();
    const run = {
      ...runStarted,
      resource: { id: "1", name: "app", resource: "flutter-builder", spec: { keep } },
    };
    await show(plainRenderer(out, plainStyle, assert.fail), [run as RunEvent, ...failed.slice(1)]);
    assert.match(out.text, expected);
    assert.equal(/--keep failure/.test(out.text), keep === "never");
  }
});

test("outcomes that are no failure of the build are named for what they are", async () => {
  const out = memory();
  const renderer = quietRenderer(out, plainStyle, assert.fail);
  renderer.end(runEnded({ outcome: "cancelled", reason: "cancelled", message: "Cancelled by SIGINT" }), {
    savedIn: undefined,
  });
  renderer.end(runEnded({ outcome: "timed-out", reason: "timeout", message: "Took too long" }), {
    savedIn: undefined,
  });
  await renderer.close();
  assert.match(out.text, /^Cancelled after 1m 01s: Cancelled by SIGINT/);
  assert.match(out.text, /\nTimed out after 1m 01s: Took too long/);
});

test("every reason has something to do next", () => {
  for (const reason of REASONS) assert.ok(HINTS[reason].length > 10, reason);
});

/** A screen of 40 columns, on which each tick of the clock is a second. */
function onTerminal(out: Output): Renderer {
  let now = 0;
  return terminalRenderer({ out, style: colourStyle, columns: () => 40, clock: () => now += 1000 });
}

/** What stands on the screen in the end, when "\r" and "erase line" have done their work. */
function screen(text: string): string[] {
  return text.replaceAll(/\x1b\[\d+m/g, "").split("\n").map((line) => line.split("\r\x1b[K").at(-1) ?? "");
}

test("terminalRenderer leaves whole lines, and no status line, when it is closed", async () => {
  const out = memory();
  await show(onTerminal(out), failed);
  const lines = screen(out.text);
  assert.deepEqual(lines.slice(0, 6), [
    `run ${RUN}`,
    "▸ container-start",
    "image debian:12",
    "✓ container-start succeeded in 1.23 s: Started",
    "▸ builder",
    "line 2",
  ]);
  assert.equal(lines.at(-2), `Next: ${HINTS["command-failed"]}`);
  assert.equal(lines.at(-1), "");
});

test("terminalRenderer shows the running step with its time, and the pull's progress in its place", async () => {
  const out = memory();
  const renderer = onTerminal(out);
  await renderer.show(started("container-start") as Exclude<RunEvent, RunEnded>);
  await renderer.show(
    line(1, "4f4fb700ef54: Downloading 12 MB/30 MB of a layer", "container-start", "system"),
  );
  // Enough to make it paint, as a busy log does.
  await renderer.show(line(2, "x".repeat(40_000), "container-start", "system"));
  const status = screen(out.text).at(-1) ?? "";
  assert.match(status, /^. container-start \d\.00 s · 4f4fb700ef54/);
  assert.equal([...status].length <= 39, true);
  assert.equal(out.text.includes("\n4f4fb700ef54"), false);
  await renderer.close();
  assert.equal(screen(out.text).at(-1), "");
});

test("terminalRenderer takes its status line away before a note", async () => {
  const out = memory();
  const renderer = onTerminal(out);
  await renderer.show(started("builder") as Exclude<RunEvent, RunEnded>);
  await renderer.show(line(1, "x".repeat(40_000)));
  renderer.note("warning: look here");
  await renderer.close();
  assert.deepEqual(screen(out.text).slice(2), ["warning: look here", ""]);
});
