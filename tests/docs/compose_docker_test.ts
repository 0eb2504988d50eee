import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  flutterCi,
  type Started,
  startFlutterCi,
  startProgram,
  temporaryFolder,
} from "../cli/start-program.ts";
import { natsProgram } from "../support/nats-program.ts";
import { freePort } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { within } from "../support/within.ts";
import { type Compose, DRIVERS, readCompose, setUp, type Shown } from "./compose.ts";

const { test } = needing("Docker", "broker");

/** What Compose starts, as processes on this machine: the same commands, variables and files. */
interface Stage extends AsyncDisposable {
  readonly api: string;
  readonly folder: string;
  /** Starts a service; `as` logs in as that of another one. */
  start(name: string, options?: { as?: string; env?: Record<string, string> }): Started;
  /** The variables of a service. */
  environmentOf(name: string): Record<string, string>;
}

async function openStage(): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const { path: folder } = opening.use(await temporaryFolder());
  const { code, stderr } = await setUp(folder);
  assert.equal(code, 0, stderr);
  const fleet = join(folder, "fleet");
  const [compose, port, api, monitor] = [
    await readCompose(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const here = (name: string, text: string) =>
    placesOf(compose, name).reduce(
      (changed, [inside, outside]) => changed.replaceAll(inside, join(fleet, outside)),
      text.replaceAll("nats:4222", `127.0.0.1:${port}`).replace("127.0.0.1:9090", "127.0.0.1:0"),
    ).replace("0.0.0.0:8080", `127.0.0.1:${api}`);

  const config = await readFile(join(fleet, "nats.conf"), "utf8");
  const local = here("nats", config).replace("0.0.0.0:4222", `127.0.0.1:${port}`)
    .replace("127.0.0.1:8222", `127.0.0.1:${monitor}`)
    .replace('include "accounts.conf"', 'include "secrets/accounts.conf"');
  await writeFile(join(fleet, "nats.conf"), local);
  const broker = opening.use(startProgram(natsProgram(), ["-c", join(fleet, "nats.conf")]));
  await broker.said("Server is ready");
  const open = opening.move();
  const environmentOf = (name: string) =>
    Object.fromEntries(
      Object.entries(compose.services[name]?.environment ?? {})
        .filter(([variable]) => variable !== "HOME").map((
          [variable, value],
        ) => [variable, here(name, value)]),
    );
  return {
    api: `http://127.0.0.1:${api}`,
    folder,
    environmentOf,
    start(name, { as = name, env = {} } = {}) {
      const words = (compose.services[name]?.command ?? []).map((word) => here(name, word));
      return open.use(startFlutterCi(words, { env: { ...environmentOf(as), ...env } }));
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Where a service finds files, and where they are in the folder that `setup` makes. */
function placesOf({ services, secrets }: Compose, name: string): [string, string][] {
  const service = services[name];
  const target = (shown: Shown) => typeof shown === "string" ? shown : shown.target;
  const shown = (service?.secrets ?? []).map((secret): [string, string] => {
    const path = target(secret);
    const source = typeof secret === "string" ? secret : secret.source;
    return [path.startsWith("/") ? path : `/run/secrets/${path}`, secrets[source]?.file ?? ""];
  });
  const folders = (service?.volumes ?? []).filter((volume) => volume.startsWith("."))
    .map((volume): [string, string] => {
      const [outside = "", inside = ""] = volume.split(":");
      return [inside, outside];
    });
  return [...shown, ...folders];
}

test("the services of the compose file build a project, with accounts and TLS, and each login is enough", async () => {
  using remote = remoteRepository({ makes: "made.txt" });
  await using stage = await openStage();
  const up = stage.start("up");
  const drivers = DRIVERS.map((name) => stage.start(name));
  await up.said("Serves http://");
  await Promise.all(drivers.map((driver) => driver.said(" takes events of ")));

  const data = join(stage.folder, "fleet/data/up");
  const kept = join(stage.folder, "kept");
  const built = await flutterCi([
    ...["submit", "--api", stage.api, "--data", data, "--image", remote.image, "--pull", "never"],
    ...["-c", "make", "-a", "made.txt", "-o", kept, remote.url],
  ]);
  assert.equal(built.code, 0, built.stdout + built.stderr);
  assert.equal(await readFile(join(kept, "made.txt"), "utf8"), "made\n");

  for (const name of ["up", ...DRIVERS]) {
    const { CONVEYOR_HEALTH: _health, ...env } = stage.environmentOf(name);
    const { stdout } = await flutterCi(["doctor", "--as", name, "--json"], { env });
    const found = stdout.trim().split("\n").map((line) => JSON.parse(line));
    const of = (what: string) =>
      found.filter((finding) => finding.what === what).map(({ message }) => message);
    assert.deepEqual(of("permissions"), [`This login may do what ${name} needs`]);
    assert.deepEqual(of("exposure"), ["A build's container finds no way in without a password"]);
  }

  const [builder] = drivers.slice(DRIVERS.indexOf("builder"));
  const [, address = ""] = /health and figures at http:\/\/(\S+)/.exec(builder?.output() ?? "") ?? [];
  for (const one of [address, new URL(stage.api).host]) {
    const { code, stdout } = await flutterCi(["doctor", "--ready", one]);
    assert.deepEqual([code, stdout], [0, "Ready\n"], one);
  }
  builder?.kill("SIGTERM");
  await builder?.ended;
  const gone = await flutterCi(["doctor", "--ready", address]);
  assert.deepEqual(
    [gone.code, /^Not ready: http:\S+ does not answer: /.test(gone.stdout)],
    [3, true],
    gone.stdout,
  );
});

test("the broker of the compose file refuses who has no account, another's login, and what is not encrypted", async () => {
  await using stage = await openStage();
  await stage.start("up").said("Serves http://");
  const wrong = join(stage.folder, "wrong");
  await writeFile(wrong, "another password\n");
  const { CONVEYOR_TLS_CA: _authority, ...untrusting } = stage.environmentOf("builder");
  const says = async (text: string, started: Started) => {
    await within(started.said(text), `"${text}" in:\n${started.output()}`);
  };
  await says(
    "does not accept the credentials",
    stage.start("builder", { env: { CONVEYOR_NATS_PASSWORD_FILE: wrong, CONVEYOR_WAIT: "0" } }),
  );
  const doctor = await flutterCi(["doctor", "--as", "builder", "--json"], {
    env: stage.environmentOf("container-stop"),
  });
  assert.match(doctor.stdout, /This login may not do all that builder needs: it may not publish on /);
  assert.equal(doctor.code, 3);
  const { stdout } = await flutterCi(["doctor", "--json"], { env: untrusting });
  assert.match(stdout, /its certificate is signed by an unknown authority/);
  const other = stage.start("builder", { as: "container-stop" });
  const lacks = 'This login may not listen on "_INBOX.conveyor-builder.>"';
  await says(`Cannot learn whose broker this is: ${lacks}`, other);
  await says(`NATS says: ${lacks}. flutter-ci doctor --nats names all that it lacks`, other);
});
