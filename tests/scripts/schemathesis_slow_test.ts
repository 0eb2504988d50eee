import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { readIfThere } from "../../lib/base/files.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Starts the script with a schemathesis that only writes its words down. */
async function runScript(port: number) {
  await using folder = await temporaryFolder();
  const words = join(folder.path, "words");
  await writeFile(join(folder.path, "schemathesis"), `#!/bin/sh\necho "$@" >'${words}'\n`, { mode: 0o755 });
  const env = { ...process.env, PATH: `${folder.path}:${process.env.PATH}`, PORT: String(port) };
  const script = join(import.meta.dirname, "../../scripts/schemathesis");
  const ran = spawn(script, { env, stdio: ["ignore", "ignore", "pipe"] });
  const [stderr, [code]] = await Promise.all([text(ran.stderr), once(ran, "close")]);
  return { code, stderr, words: await readIfThere(words) };
}

test("schemathesis is not started where another program has the control plane's port", async () => {
  const other = createServer((_, response) => response.end());
  await once(other.listen(0, "127.0.0.1"), "listening");
  try {
    const { code, stderr, words } = await runScript((other.address() as AddressInfo).port);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /error: flutter-ci up has ended by itself; see what it says above\n/);
    assert.equal(words, undefined);
  } finally {
    other.close();
  }
});

test("schemathesis is given the token of a control plane that listens", async () => {
  const { code, stderr, words = "" } = await runScript(0);
  assert.equal(code, 0, stderr);
  assert.match(words, /-H Authorization: Bearer [^ -][^ ]+ --phases /);
});
