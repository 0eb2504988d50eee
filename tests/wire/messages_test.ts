import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Log, readLog } from "../../lib/wire/messages.ts";
import { Artifact, MAX_MTIME, modeOf, modeText, mtimeField } from "../../lib/wire/run.ts";

const OURS = {
  runid: "0fd90212-1e83-4506-b2a0-58d7a27b2831",
  driver: "builder",
  pipeline: "flutter-builder",
  timestamp: "2026-01-01T00:00:00.000Z",
  step: "builder",
  stream: "stdout",
  message: "cc -o main.o main.c",
};

test("readLog answers and refuses what Log.parse does, whichever field is missing or of another kind", () => {
  const others = fc.constantFrom(undefined, null, "", "stderr", "stdin", 7, true, {}, []);
  const fields = fc.dictionary(fc.constantFrom(...Object.keys(OURS), "extra"), others, { maxKeys: 3 });
  fc.assert(fc.property(fields, (changes) => {
    const value = JSON.parse(JSON.stringify({ ...OURS, ...changes }));
    const expected = Log.safeParse(value);
    if (expected.success) assert.deepEqual(readLog(value), expected.data);
    else assert.throws(() => readLog(value), { name: "ZodError" });
  }));
});

test("readLog refuses what is no object", () => {
  for (const value of [null, undefined, "text", 7, []]) {
    assert.throws(() => readLog(value), { name: "ZodError" });
  }
});

test("an artifact's permission bits travel in octal, and the usual ones not at all", () => {
  for (const [mode, text] of [[0o755, "0755"], [0o600, "0600"], [0o7, "0007"], [0o100755, "0755"]] as const) {
    assert.deepEqual(modeText(mode), { mode: text });
    assert.equal(modeOf(text), mode & 0o777);
  }
  assert.deepEqual([modeText(0o644), modeText(undefined), modeOf(undefined)], [{}, {}, 0o644]);
  const artifact = { name: "a", path: "a", size: 1, sha256: "x" };
  for (const mode of [undefined, "0755"]) {
    assert.equal(Artifact.safeParse({ ...artifact, mode }).success, true);
  }
  for (const mode of ["755", "0788", "07555", "1755"]) {
    assert.equal(Artifact.safeParse({ ...artifact, mode }).success, false, mode);
  }
});

test("mtimeField takes whole seconds that file systems can hold, and nothing else", () => {
  for (const [given, mtime] of [[0, 0], [1.9, 1], ["12", 12], [MAX_MTIME, MAX_MTIME]] as const) {
    assert.deepEqual(mtimeField(given), { mtime });
  }
  for (
    const given of [undefined, null, "", "x", NaN, Infinity, -1, -0.5, MAX_MTIME + 1, 1e300, {}, [], true]
  ) {
    assert.deepEqual(mtimeField(given), {}, String(given));
  }
});
