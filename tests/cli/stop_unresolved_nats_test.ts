import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getuid } from "node:process";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { within } from "../support/within.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing("broker");

/** Starts a command with files of its own for the names of hosts, which nobody else sees. */
const withHosts = (hosts: string, servers: string) => [
  "unshare",
  "--mount",
  ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-ec",
  'mount --bind "$0" /etc/hosts; mount --bind "$1" /etc/resolv.conf; shift; exec "$@"',
  hosts,
  servers,
];
const [command = "", ...args] = withHosts("/etc/hosts", "/etc/resolv.conf");
const skip = spawnSync(command, [...args, "true"]).status === 0
  ? false
  : "no mount of our own can be made here (root or user namespaces)";

test("a driver and a control plane end on SIGTERM while the broker's name cannot be resolved", {
  skip,
}, async () => {
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
