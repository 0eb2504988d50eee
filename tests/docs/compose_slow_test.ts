import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, temporaryFolder } from "../cli/start-program.ts";
import { DRIVERS, readCompose, setUp } from "./compose.ts";

const sourceOf = (shown: string | { source: string }) => typeof shown === "string" ? shown : shown.source;

test("the compose file names what there is: services, networks, secrets, flags and variables", async () => {
  const { services, networks, secrets, configs } = await readCompose();
  assert.deepEqual(Object.keys(services), ["nats", "up", ...DRIVERS]);
  const sections = (await readFile(join(root, "docs/flags.md"), "utf8")).split(/^## flutter-ci /m);
  const sectionOf = (command: string) => sections.find((text) => text.startsWith(`${command}\n`)) ?? "";
  const checkFlags = (command: string, words: readonly string[]) => {
    for (const flag of words.filter((word) => word.startsWith("--"))) {
      assert.ok(sectionOf(command).includes(`\`${flag} `), `${command} ${flag}`);
    }
  };
  for (const [name, service] of Object.entries(services)) {
    for (const other of service.depends_on ?? []) assert.ok(other in services, `${name}: ${other}`);
    for (const network of service.networks) assert.ok(network in networks, `${name}: ${network}`);
    for (const secret of service.secrets.map(sourceOf)) assert.ok(secret in secrets, `${name}: ${secret}`);
    for (const config of (service.configs ?? []).map(sourceOf)) assert.ok(config in configs, config);
    if (name === "nats") continue;
    const [command, ...words] = service.command;
    assert.equal(command, name);
    checkFlags(name, words);
    const [kind, program, doctor, ...asked] = service.healthcheck.test;
    assert.deepEqual([kind, program, doctor], ["CMD", "flutter-ci", "doctor"]);
    checkFlags("doctor", asked);
    const { environment = {} } = service;
    for (const variable of Object.keys(environment).filter((variable) => variable !== "HOME")) {
      assert.ok(sectionOf(name).includes(`\`${variable}\``), `${name}: ${variable}`);
    }
    // A health check asks where the program answers.
    const address = environment["CONVEYOR_HEALTH"] ?? words[words.indexOf("--listen") + 1];
    assert.equal(asked.at(-1)?.split(":")[1], address?.split(":")[1], name);
  }
});

test("the services of the compose file come back after a reboot, and may do no more than they need", async () => {
  const { services } = await readCompose();
  for (const [name, service] of Object.entries(services)) {
    assert.equal(service.restart, "unless-stopped", name);
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ["ALL"], name);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    assert.match(service.user, /^\$\{RUN_AS:\?/, name);
    const isDriver = DRIVERS.includes(name);
    assert.equal(service.volumes.some((volume) => volume.includes("docker.sock")), isDriver, name);
    assert.equal(service.deploy?.replicas, isDriver ? 2 : undefined, name);
    // No service is given the password of another.
    const own = name === "up" ? "control-plane" : name;
    const passwords = service.secrets.map(sourceOf).filter((secret) =>
      /^(?:control|container|git|build)/.test(secret)
    );
    assert.deepEqual(passwords, name === "nats" ? [] : [own], name);
    // What is published is for this machine only.
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/);
  }
});

test("setup makes every file that the compose file names, which only its user can read", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await setUp(folder.path);
  assert.equal(code, 0, stderr);
  const fleet = join(folder.path, "fleet");
  assert.equal(
    stdout,
    `Made ${fleet} and the image flutter-ci:1.2.3-4. Next: cd ${fleet} && docker compose up -d\n`,
  );
  const { secrets, configs, services } = await readCompose();
  for (const { file } of [...Object.values(secrets), ...Object.values(configs)]) {
    assert.equal((await stat(join(fleet, file))).mode & 0o077, 0, file);
  }
  const folders = Object.values(services).flatMap(({ volumes }) => volumes)
    .filter((volume) => volume.startsWith("."));
  for (const volume of folders) assert.ok(existsSync(join(fleet, volume.split(":")[0] ?? "")), volume);
  const variables = (await readFile(join(fleet, ".env"), "utf8")).matchAll(/^(\w+)=\S+$/gm);
  const asked = (await readFile(join(fleet, "compose.yaml"), "utf8")).matchAll(/\$\{(\w+):\?/g);
  assert.deepEqual(
    ["COMPOSE_PROJECT_NAME", ...new Set(Array.from(asked, ([, name]) => name))].sort(),
    Array.from(variables, ([, name]) => name).sort(),
  );
  const image = (await readFile(join(folder.path, "image.list"), "utf8")).split("\n");
  assert.deepEqual(image.filter((name) => /[^/]$/.test(name)).sort(), ["./bin/flutter-ci", "./bin/sh"]);
});

test("setup keeps secrets that are there, and makes those that are not", async () => {
  await using folder = await temporaryFolder();
  assert.equal((await setUp(folder.path)).code, 0);
  const secrets = join(folder.path, "fleet/secrets");
  const contents = async () =>
    Object.fromEntries(
      await Promise.all((await readdir(secrets)).map(async (name) =>
        [name, await readFile(join(secrets, name), "utf8")] as const
      )),
    );
  const before = await contents();
  await appendFile(join(folder.path, "fleet/compose.yaml"), "# changed\n");
  assert.equal((await setUp(folder.path)).code, 0);
  assert.deepEqual(await contents(), before);
  assert.doesNotMatch(await readFile(join(folder.path, "fleet/compose.yaml"), "utf8"), /# changed/);

  for (const name of ["nats.pem", "builder.password"]) await rm(join(secrets, name));
  assert.equal((await setUp(folder.path)).code, 0);
  const after = await contents();
  const changed = Object.keys(before).filter((name) => after[name] !== before[name]).sort();
  assert.deepEqual(changed, [
    "accounts.conf",
    "authority.srl",
    "builder.password",
    "nats-key.pem",
    "nats.pem",
  ]);
  const authority = new X509Certificate(after["authority.pem"] ?? "");
  const certificate = new X509Certificate(after["nats.pem"] ?? "");
  assert.ok(certificate.verify(authority.publicKey));
  assert.equal(certificate.checkHost("nats"), "nats");
  assert.ok(Date.parse(certificate.validTo) > Date.now() + 3600 * 24 * 365 * 1000);

  for (const name of ["nats.pem", "authority.pem"]) await rm(join(secrets, name));
  assert.equal((await setUp(folder.path)).code, 0);
  const renewed = await contents();
  assert.notEqual(renewed["authority.pem"], after["authority.pem"]);
  const newAuthority = new X509Certificate(renewed["authority.pem"] ?? "");
  assert.ok(new X509Certificate(renewed["nats.pem"] ?? "").verify(newAuthority.publicKey));
});

test("setup goes to the folder that is named and fails as such, whatever the environment says", async () => {
  await using folder = await temporaryFolder();
  const elsewhere = join(folder.path, "elsewhere");
  await mkdir(join(elsewhere, "fleet/secrets"), { recursive: true });
  const env = { CDPATH: elsewhere, code: "0" };
  const { code, stderr } = await setUp(folder.path, ["fleet"], { env });
  assert.equal(code, 0, stderr);
  assert.equal((await setUp(folder.path, ["fleet"], { scripts: { stat: "exit 1" }, env })).code, 3);
  assert.deepEqual(await readdir(join(elsewhere, "fleet/secrets")), []);
});

test("setup refuses what it cannot work with, and makes nothing", async () => {
  await using folder = await temporaryFolder();
  const fleet = join(folder.path, "fleet");
  const cases: [string[], number, RegExp][] = [
    [[""], 2, /^error: Expected a folder: setup DIR \[PROGRAM\]\n$/],
    [["--prefix"], 2, /^error: Expected a folder/],
    [[fleet, join(folder.path, "nothing")], 3, /^error: There is no program ".*nothing": name flutter-ci/],
    [[fleet, folder.path], 3, /^error: There is no program ".*": name flutter-ci/],
    [[fleet, "sh"], 3, /^error: There is no program "sh": name flutter-ci/],
    [[fleet, "/bin/false"], 3, /^error: ".*\/bin\/false" does not start here\n$/],
  ];
  for (const [words, expected, message] of cases) {
    const { code, stderr } = await setUp(folder.path, words);
    assert.equal(code, expected, stderr);
    assert.match(stderr, message);
  }
  assert.equal(existsSync(fleet), false);
});

test("setup refuses a machine without Docker's socket, and makes nothing", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await setUp(folder.path, undefined, { scripts: { stat: "exit 1" } });
  assert.deepEqual([code, stdout], [3, ""]);
  assert.match(stderr, /^error: The drivers need Docker's socket at \/var\/run\/docker\.sock\. Start Docker/);
  assert.equal(existsSync(join(folder.path, "fleet")), false);
});

test("setup refuses a folder of another user, whose containers could not read what it makes", async () => {
  await using folder = await temporaryFolder();
  assert.equal((await setUp(folder.path)).code, 0);
  const environment = join(folder.path, "fleet/.env");
  await rm(environment);
  const { code, stderr } = await setUp(folder.path, undefined, { scripts: { id: "echo 4321" } });
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^error: ".*fleet" belongs to user \d+: start setup as that user, or name another/);
  assert.equal(existsSync(environment), false);
});

test("setup takes a program by a relative path", async () => {
  await using folder = await temporaryFolder();
  const { code, stderr } = await setUp(folder.path, ["fleet", "bin/flutter-ci"]);
  assert.equal(code, 0, stderr);
});

test("setup leaves nothing of its image behind when a signal ends it", async () => {
  await using folder = await temporaryFolder();
  const env = { TMPDIR: join(folder.path, "tmp") };
  await mkdir(env.TMPDIR);
  for (const [signal, expected] of [["HUP", 129], ["INT", 130], ["TERM", 143]] as const) {
    const scripts = { docker: `tar -t >'${folder.path}/image.list'; kill -${signal} $PPID` };
    const { code, stderr } = await setUp(folder.path, undefined, { scripts, env });
    assert.equal(code, expected, stderr);
    assert.deepEqual(await readdir(env.TMPDIR), [], signal);
  }
});

test("setup fails where ldd, tar or docker tag does, and leaves no image behind", async () => {
  const docker =
    `echo "$@" >>../docker.log; case $1 in import) cat >/dev/null; echo sha256:1234 ;; tag) exit 1 ;; esac`;
  const removed = "rmi sha256:1234";
  const cases: readonly [tool: string, text: string, why: RegExp, calls: string[]][] = [
    ["ldd", "exit 2", /^error: ldd cannot say which libraries/, []],
    ["tar", 'command -p tar "$@"; exit 2', /: tar failed$/, [removed]],
    ["docker", docker, / cannot be named so$/, ["tag sha256:1234 flutter-ci:1.2.3-4", removed]],
  ];
  for (const [tool, text, why, expected] of cases) {
    await using folder = await temporaryFolder();
    const scripts = { [tool]: text };
    const { code, stderr } = await setUp(folder.path, undefined, { scripts });
    assert.equal(code, 3, stderr);
    assert.match(stderr.trimEnd(), why);
    const calls = await readFile(join(folder.path, "docker.log"), "utf8").catch(() => "");
    assert.deepEqual(calls.split("\n").filter((call) => /^(?:tag|rmi) /.test(call)), expected);
    assert.equal(existsSync(join(folder.path, "fleet/.env")), false);
  }
});

test("setup gives each folder a project of Compose of its own, so that it has its own containers", async () => {
  await using folder = await temporaryFolder();
  assert.equal("name" in await readCompose(), false);
  for (
    const [name, project] of [["_My Fleet.2", "myfleet2"], ["build", "build"], ["—", "flutter-ci"]] as const
  ) {
    const fleet = join(folder.path, name);
    const { code, stderr } = await setUp(folder.path, [fleet]);
    assert.equal(code, 0, stderr);
    assert.match(
      await readFile(join(fleet, ".env"), "utf8"),
      new RegExp(`^COMPOSE_PROJECT_NAME=${project}-[0-9a-f]{6}$`, "m"),
    );
  }
  const projectOf = async (fleet: string) =>
    /^COMPOSE_PROJECT_NAME=(.*)$/m.exec(await readFile(join(folder.path, fleet, ".env"), "utf8"))?.[1];
  const project = await projectOf("build");
  await mkdir(join(folder.path, "other"));
  assert.equal((await setUp(folder.path, [join(folder.path, "other/build")])).code, 0);
  assert.notEqual(await projectOf("other/build"), project);
  // Another name would start a second fleet on the same data.
  await rename(join(folder.path, "build"), join(folder.path, "renamed"));
  assert.equal((await setUp(folder.path, [join(folder.path, "renamed")])).code, 0);
  assert.equal(await projectOf("renamed"), project);
});
