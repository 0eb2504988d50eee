import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

const { test } = needing("broker");

async function* once(text: string): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield new TextEncoder().encode(text);
}

test("artifacts lists and fetches what lies on a Conveyor server's broker, by the beginning of a run's id", async () => {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-test-"));
  try {
    await using server = await startConveyor();
    await using transport = await openNats({ servers: [server.nats] });
    const [run, other] = [`a${randomUUID().slice(1)}`, `b${randomUUID().slice(1)}`];
    await transport.putBlob(run, "out/app.apk", once("an app"));
    await transport.putBlob(other, "report.txt", once("a report"));
    const artifacts = (...words: string[]) => flutterCi(["artifacts", "--nats", server.nats, ...words]);

    const listed = await artifacts(run.slice(0, 8), "--json");
    const sha256 = createHash("sha256").update("an app").digest("hex");
    assert.deepEqual([listed.code, listed.stderr], [0, ""]);
    assert.deepEqual(JSON.parse(listed.stdout), { name: "out/app.apk", size: 6, sha256 });

    const fetched = await artifacts(run, "-o", folder);
    assert.match(fetched.stdout, new RegExp(`^${sha256} +6 B +out/app.apk\n$`));
    assert.equal(await readFile(join(folder, "out/app.apk"), "utf8"), "an app");

    const unknown = await artifacts("c0ffee");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /No run "c0ffee" has artifacts on this broker: expected the id of one/);
    const several = await artifacts("");
    assert.equal(several.code, 2);
    assert.match(several.stderr, /The run "" is not one: 2 runs begin so/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("artifacts says what is wrong with the broker or the login, and that it is no defect", async () => {
  await using plain = await startNats({ jetstream: false });
  await using guarded = await startNats({
    config: `authorization { users: [{ user: me, password: secret, permissions: { publish: "logs.x" } }] }`,
  });
  await using folder = await temporaryFolder();
  const password = join(folder.path, "password");
  await writeFile(password, "secret\n");
  const cases = [
    [
      ["--nats", plain.url],
      /^error: NATS at "\S+" has no JetStream for us.*\nStart the nats-server with JetStream/,
    ],
    [
      ["--nats", guarded.url, "--nats-user", "me", "--nats-password-file", password],
      /^error: Cannot list the artifacts: .+\n$/,
    ],
  ] as const;
  for (const [words, message] of cases) {
    const { code, stdout, stderr } = await flutterCi(["artifacts", ...words, "c0ffee"]);
    const said = stderr.split("\n").filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line)).join("\n");
    assert.match(said, message);
    assert.deepEqual([code, stdout], [3, ""], stderr);
  }
});
