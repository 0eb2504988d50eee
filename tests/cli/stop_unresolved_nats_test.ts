import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { noOwnMounts, withOwnMounts } from "../support/own-mounts.ts";
import { within } from "../support/within.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing("broker", noOwnMounts);

/** Starts a command with files of its own for the names of hosts. */
const withHosts = (hosts: string, servers: string) =>
  withOwnMounts('mount --bind "$1" /etc/hosts; mount --bind "$2" /etc/resolv.conf', hosts, servers);

test("a driver and a control plane end on SIGTERM while the broker's name cannot be resolved", async () => {
  await using folder = await temporaryFolder();
  const [hosts, servers] = [join(folder.path, "hosts"), join(folder.path, "resolv.conf")];
  const others = await readFile("/etc/hosts", "utf8");
  await writeFile(hosts, `${others}\n127.0.0.1 broker.test\n`);
  await writeFile(servers, "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
  await using broker = await startNats();
  const start = (...words: string[]) => {
    const [command = "", ...args] = withHosts(hosts, servers);
    return startProgram(command, [
      ...[...args, join(root, "bin/flutter-ci"), ...words],
      ...["--nats", `nats://broker.test:${broker.port}`],
    ], { env: { CONVEYOR_RUNTIME: runtime } });
  };
  await using up = start("up", "--drivers", "none", "--listen", "127.0.0.1:0", "--data", folder.path);
  await up.said("Serves http://");
  await using driver = start("git-cloner");
  await driver.said("takes events");
  await writeFile(hosts, others);
  await broker.kill();
  for (const program of [driver, up]) {
    await program.said("Lost NATS");
    program.kill("SIGTERM");
  }
  for (const program of [driver, up]) {
    const { code, stderr } = await within(program.ended, () => `the end of what said:\n${program.output()}`);
    assert.equal(code, 0, stderr);
  }
});
