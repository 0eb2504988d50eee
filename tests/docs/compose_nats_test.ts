import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { parse } from "yaml";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { root, temporaryFolder } from "../cli/start-program.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly restart: string;
  readonly secrets?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: object;
  readonly secrets: object;
  readonly volumes: object;
  readonly configs: { readonly nats: { readonly content: string } };
}

const read = (path: string) => readFile(join(root, path), "utf8");
const compose = async (): Promise<Compose> => parse(await read("docs/compose.yaml"), { merge: true });

test("the compose file names what there is: services, networks, secrets, flags and variables", async () => {
  const { services, networks, secrets, volumes } = await compose();
  assert.deepEqual(Object.keys(services), [
    "nats",
    "up",
    "container-start",
    "git-cloner",
    "builder",
    "container-stop",
  ]);
  const sections = (await read("docs/flags.md")).split(/^## flutter-ci /m);
  for (const [name, service] of Object.entries(services)) {
    for (const other of service.depends_on ?? []) assert.ok(other in services, `${name}: ${other}`);
    for (const network of service.networks ?? []) assert.ok(network in networks, `${name}: ${network}`);
    for (const secret of service.secrets ?? []) assert.ok(secret in secrets, `${name}: ${secret}`);
    for (const volume of service.volumes ?? []) {
      const [source = ""] = volume.split(":");
      assert.ok(/^[./]/.test(source) || source in volumes, `${name}: ${volume}`);
    }
    if (name === "nats") continue;
    const [program, command, ...flags] = service.command;
    assert.deepEqual([program, command], ["/bin/flutter-ci", name]);
    const section = sections.find((text) => text.startsWith(`${name}\n`)) ?? "";
    for (const flag of flags.filter((word) => word.startsWith("--"))) {
      assert.ok(section.includes(`\`${flag} `), flag);
    }
    for (const variable of Object.keys(service.environment)) {
      assert.ok(section.includes(`\`${variable}\``), `${name}: ${variable}`);
    }
  }
});

/** The text of the broker's configuration, as Compose makes it. */
async function brokerConfiguration(password: string): Promise<string> {
  const { configs } = await compose();
  return configs.nats.content.replaceAll(
    /\$\$|\$\{(\w+):\?[^}]*\}/g,
    (_, name) => name === undefined ? "$" : ({ NATS_PASSWORD: password }[name as string] ?? ""),
  );
}

// nats-server reads a word like 12e45 as a number, unless it is quoted; openssl makes such passwords too.
for (const password of ["a-password", "12e45", "1e5", "0x12"]) {
  test(`the broker of the compose file wants the password ${password}, and has JetStream`, async () => {
    await using folder = await temporaryFolder();
    const [authorization] = /^authorization .*$/m.exec(await brokerConfiguration(password)) ?? [];
    assert.ok(authorization);
    await using broker = await startNats({ config: authorization });
    const passwordFile = join(folder.path, "nats-password");
    await writeFile(passwordFile, `${password}\n`);
    const connection = await connectNats({ servers: [broker.url], user: "conveyor", passwordFile });
    assert.ok(await (await jetstreamManager(connection)).getAccountInfo());
    await connection.close();
    await assert.rejects(connectNats({ servers: [broker.url] }), /does not accept the credentials/);
  });
}

test("the steps of the compose file leave a password that every later command of Compose finds", async () => {
  await using folder = await temporaryFolder();
  const lines = (await read("docs/compose.yaml")).split("\n").filter((line) => line.startsWith("#   "));
  const steps = lines.map((line) => line.slice(1).replace(/ +# .*/, "").trim());
  const first = steps.findIndex((line) => line.startsWith("docker compose"));
  const [once, ...others] = [steps[first - 1] ?? "", ...steps.slice(first)];
  // Commands after the first step set no variable of their own.
  assert.ok(others.length >= 2 && others.every((line) => line.startsWith("docker compose ")), others.join());
  execFileSync("sh", ["-c", once], { cwd: folder.path });
  const password = (await readFile(join(folder.path, "nats-password"), "utf8")).trim();
  assert.match(password, /^[0-9a-f]{48}$/);
  assert.equal(await readFile(join(folder.path, ".env"), "utf8"), `NATS_PASSWORD=${password}\n`);
  for (const name of [".env", "nats-password"]) {
    assert.equal((await stat(join(folder.path, name))).mode & 0o777, 0o600, name);
  }
});

test("the services of the compose file come back after a reboot", async () => {
  for (const [name, { restart }] of Object.entries((await compose()).services)) {
    assert.equal(restart, "unless-stopped", name);
  }
});
