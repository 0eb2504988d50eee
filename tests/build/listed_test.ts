import assert from "node:assert/strict";
import { test } from "node:test";
import { inPieces } from "../../lib/build/artifacts/byte-queue.ts";
import { withManifest } from "../../lib/build/artifacts/manifest.ts";
import { withinLimits } from "../../lib/build/artifacts/within-limits.ts";
import { listedCommands, showCommand } from "../../lib/build/show-command.ts";
import { resultText } from "../../lib/driver/report/result.ts";
import { KeptArtifacts } from "../../lib/driver/work/kept-artifacts.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";

test("showCommand shows a command on one line, cut where it is long", () => {
  assert.equal(showCommand("\n  make all\n\n\tmake test  \n"), "make all; make test");
  assert.equal(showCommand(["echo", "it's", "a=b", ""]), "echo 'it'\\''s' a=b ''");
  assert.equal(showCommand("x".repeat(300)), `${"x".repeat(200)}…`);
});

test("listedCommands keeps the last commands that a result has room for, and counts the others", () => {
  const commands = Array.from(
    { length: 500 },
    (_, i) => ({ command: `${i} ${"ü".repeat(100)}`, exitCode: 0 }),
  );
  assert.deepEqual(listedCommands(commands.slice(0, 3)), { commands: commands.slice(0, 3) });
  const listed = listedCommands(commands);
  assert.deepEqual(listed.commands.at(-1), commands.at(-1));
  assert.equal(listed.commands.length + (listed.earlierCommands ?? 0), 500);
  assert.ok(Buffer.byteLength(JSON.stringify(listed)) < 17 * 1024);
});

test("withManifest lists artifacts in the result where there is room, by their size and not by their number", async () => {
  const stored = new Map<string, string>();
  const lines: string[] = [];
  const context = {
    log: { line: (text: string) => Promise.resolve(void lines.push(text)) },
    putArtifact: async (name: string, bytes: AsyncIterable<Uint8Array>) => {
      stored.set(name, Buffer.concat(await Array.fromAsync(bytes)).toString());
      return { size: 1, sha256: "s" };
    },
  } as unknown as Parameters<typeof withManifest>[0];
  const artifacts = (n: number, length: number) =>
    Array.from(
      { length: n },
      (_, i) => ({ name: `${i}`.padEnd(length, "x"), path: "p", size: 1, sha256: "" }),
    );
  assert.deepEqual(await withManifest(context, artifacts(400, 5)), artifacts(400, 5));
  assert.equal(stored.size, 0);
  for (
    const [many, name] of [[artifacts(100, 500), "artifacts.json"], [
      [{ name: "artifacts.json", path: "p", size: 1, sha256: "" }, ...artifacts(100, 500)],
      "artifacts-2.json",
    ]] as const
  ) {
    assert.deepEqual(await withManifest(context, many), [{ name, path: name, size: 1, sha256: "s" }]);
    assert.deepEqual(JSON.parse(stored.get(name) ?? ""), many);
  }
  assert.deepEqual(lines, [
    "100 artifacts are listed in artifacts.json",
    "101 artifacts are listed in artifacts-2.json",
  ]);
});

test("withinLimits leaves room for the list of the artifacts where it is one itself", async () => {
  const files = (n: number, size: number) =>
    Array.from({ length: n }, (_, i) => ({ name: `d/${i}`, path: `d/${i}`, size }));
  for (
    const { maxArtifactFiles, maxArtifactBytes, of, left, said } of [
      {
        maxArtifactFiles: 500,
        maxArtifactBytes: 1e6,
        of: files(500, 8),
        left: 499,
        said: ["more than 500 with"],
      },
      { maxArtifactFiles: 500, maxArtifactBytes: 1e6, of: files(499, 8), left: 499, said: [] },
      { maxArtifactFiles: 50, maxArtifactBytes: 1e6, of: files(50, 8), left: 50, said: [] },
      {
        maxArtifactFiles: 999,
        maxArtifactBytes: 4e4,
        of: files(999, 8),
        left: undefined,
        said: ["with their list"],
      },
    ]
  ) {
    const settings = { maxArtifactFiles, maxArtifactBytes };
    const limits = new KeptArtifacts(settings);
    const lines: string[] = [];
    const context = {
      log: { line: (text: string) => Promise.resolve(void lines.push(text)) },
      settings,
      putArtifact: async (name: string, bytes: AsyncIterable<Uint8Array>) => {
        const all = Buffer.concat(await Array.fromAsync(limits.counted(name, bytes)));
        return { size: all.length, sha256: "0".repeat(64) };
      },
    } as unknown as Parameters<typeof withManifest>[0] & Parameters<typeof withinLimits>[0];
    const few = await withinLimits(context, of);
    assert.ok(
      left === undefined ? few.length > 200 && few.length < 300 : few.length === left,
      `${few.length}`,
    );
    assert.equal(lines.length, said.length);
    for (const [i, text] of said.entries()) assert.ok(lines[i]?.includes(text), lines.join("; "));
    const kept = await Promise.all(few.map(async ({ name, path, size }) => ({
      ...{ name, path },
      ...await context.putArtifact(name, inPieces([new Uint8Array(size)]), { mode: 0o755 }),
      mode: "0755",
    })));
    assert.equal((await withManifest(context, kept)).length, few.length > 200 ? 1 : few.length);
  }
});

test("resultText keeps the reason of a failure whose message is too long, and cuts the message", () => {
  const text = resultText(
    { success: false, message: "ü".repeat(20_000), data: { reason: "invalid-spec" } },
    "builder",
    maskOf({}),
  );
  const { message, data } = JSON.parse(text);
  assert.equal(data.reason, "invalid-spec");
  assert.match(message, /^ü+…$/);
});

test("resultText refuses data that is nested too deeply", () => {
  const data = JSON.parse("[".repeat(100) + "]".repeat(100));
  assert.match(
    resultText({ success: true, message: "", data }, "builder", maskOf({})),
    /nested 100 deep, expected 64/,
  );
});
