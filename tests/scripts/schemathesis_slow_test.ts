import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("schemathesis is not started where the control plane does not come up", async () => {
  await using folder = await temporaryFolder();
  const asked = join(folder.path, "asked");
  await writeFile(join(folder.path, "schemathesis"), `#!/bin/sh\n: >${asked}\n`, { mode: 0o755 });
  // Somebody else has the port, and is never ready.
  const other = createServer((_, response) => response.writeHead(503).end());
  await once(other.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = other.address() as AddressInfo;
    const env = { ...process.env, PATH: `${folder.path}:${process.env.PATH}`, PORT: String(port) };
    const script = join(import.meta.dirname, "../../scripts/schemathesis");
    const ran = spawn(script, { env, stdio: ["ignore", "ignore", "pipe"] });
    const [stderr, [code]] = await Promise.all([text(ran.stderr), once(ran, "close")]);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /error: flutter-ci up has ended by itself; see what it says above\n/);
    assert.equal(existsSync(asked), false);
  } finally {
    other.close();
  }
});
