import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { tellServiceManager } from "../../lib/driver/program/service-manager.ts";
import { startFlutterCi, temporaryFolder } from "../cli/start-program.ts";
import { until } from "../support/until.ts";

test("tellServiceManager hands the helper the state and the socket, and starts none where nobody asked", async () => {
  await using folder = await temporaryFolder();
  const said = join(folder.path, "said");
  const helper = join(folder.path, "helper");
  await writeFile(helper, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >>${said}\n`, { mode: 0o755 });
  const lines = async () => (await readFile(said, "utf8").catch(() => "")).trimEnd().split("\n");
  tellServiceManager("ready", {}, [helper]);
  tellServiceManager("ready", { NOTIFY_SOCKET: "/run/x" }, ["/nowhere", helper]);
  await until(async () => (await lines())[0] !== "", "the helper to be started");
  tellServiceManager("stopping", { NOTIFY_SOCKET: "/run/x" }, [helper]);
  await until(async () => (await lines()).length === 2, "the helper to be started again");
  assert.deepEqual(await lines(), ["/run/x --ready", "/run/x STOPPING=1"]);
});

test("a control plane whose service manager cannot be told goes on, and says so", async () => {
  await using folder = await temporaryFolder();
  const env = { NOTIFY_SOCKET: join(folder.path, "nobody") };
  const words = ["up", "--data", join(folder.path, "data"), "--listen", "127.0.0.1:0", "--drivers", "none"];
  await using up = startFlutterCi(words, { env });
  await up.said("Cannot tell the service manager that this process is ready: ");
  await up.said("Serves http://127.0.0.1:");
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});
