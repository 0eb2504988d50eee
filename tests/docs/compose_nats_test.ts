import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
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

test("the broker of the compose file wants the password, and has JetStream", async () => {
  await using folder = await temporaryFolder();
  const { configs, services } = await compose();
  assert.ok("NATS_PASSWORD" in (services.nats?.environment ?? {}));
  // Compose makes one $ of two; nats-server puts the variable in.
  const [authorization] = /^authorization .*$/m.exec(configs.nats.content.replaceAll("$$", "$")) ?? [];
  assert.ok(authorization);
  process.env.NATS_PASSWORD = "a-password";
  await using broker = await startNats({ config: authorization });
  const passwordFile = join(folder.path, "nats-password");
  await writeFile(passwordFile, "a-password\n");
  const connection = await connectNats({ servers: [broker.url], user: "conveyor", passwordFile });
  assert.ok(await (await jetstreamManager(connection)).getAccountInfo());
  await connection.close();
  await assert.rejects(connectNats({ servers: [broker.url] }), /does not accept the credentials/);
});
