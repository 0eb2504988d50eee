import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { link, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { containerName } from "../../lib/build/labels.ts";
import { root, type Started, startProgram, temporaryFolder } from "../cli/start-program.ts";
import { freePort, startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { remoteRepository } from "../support/remote-repository.ts";

const { test } = needing("Docker", "broker");

const execute = promisify(execFile);
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];
const WAITING = "echo begun; until [ -e /tmp/go ]; do sleep 0.05; done; echo gone";

/** Compiles `flutter-ci` with these versions, each into a folder of its name. */
async function compileVersions(folder: string, versions: readonly string[]): Promise<void> {
  const script = `
    import { compile } from "${root}/scripts/releases/compile.ts";
    for (const version of ${JSON.stringify(versions)}) {
      const facts = { version, commit: undefined, time: 0 };
      const path = "${folder}/" + version + "/flutter-ci";
      await compile({ root: "${root}", program: "flutter-ci", path, facts, target: "test" });
    }`;
  for (const version of versions) await mkdir(join(folder, version));
  await execute(join(root, ".tools/bin/bun"), ["--no-env-file", "-e", script]);
}

test("a fleet of compiled programs is upgraded and taken back with a build running, and runs each command once", async () => {
  await using folder = await temporaryFolder();
  using remote = remoteRepository();
  await using nats = await startNats();
  await compileVersions(folder.path, ["1.0.0", "2.0.0"]);
  const program = join(folder.path, "flutter-ci");
  const data = join(folder.path, "data");
  const address = `127.0.0.1:${await freePort()}`;
  await using processes = new AsyncDisposableStack();

  /** The file of that version takes the name of the one before, in one move. */
  async function install(version: string): Promise<void> {
    await link(join(folder.path, version, "flutter-ci"), `${program}.new`);
    await rename(`${program}.new`, program);
    assert.match((await execute(program, ["--version"])).stdout, new RegExp(`^${version} `));
  }
  async function start(words: readonly string[], said: string): Promise<Started> {
    const started = startProgram(program, words);
    processes.defer(async () => {
      started.kill("SIGKILL");
      await started.ended;
    });
    await started.said(said);
    return started;
  }
  const startUp = () =>
    start(
      ["up", "--nats", nats.url, "--drivers", "none", "--listen", address, "--data", data],
      `Serves http://${address}`,
    );
  const startDriver = (name: string) =>
    start([name, "--nats", nats.url, "--ack-wait", "2s"], " takes events of ");
  const access = ["--api", `http://${address}`, "--token-file", join(data, "token")];

  /** Starts a build, replaces both while its command runs, and returns when it has ended as it should. */
  async function replaceWhileItBuilds(version: string, replace: (() => Promise<Started>)[]): Promise<void> {
    const words = ["--image", remote.image, "--pull", "never", "-c", WAITING, remote.url];
    const submitted = await start(["submit", ...access, ...words], "begun");
    const [, run = ""] = /^run (\S+)$/m.exec(submitted.output()) ?? [];
    processes.defer(async () =>
      void await execute("docker", ["rm", "-fv", containerName(run)]).catch(() => {})
    );
    await install(version);
    const replaced: Started[] = [];
    for (const one of replace) replaced.push(await one());
    await execute("docker", ["exec", containerName(run), "touch", "/tmp/go"]);
    const { code, stdout } = await submitted.ended;
    assert.equal(code, 0, stdout);
    assert.equal(stdout.match(/^begun$/gm)?.length, 1, stdout);
    assert.equal(stdout.match(/^gone$/gm)?.length, 1, stdout);
    assert.deepEqual(
      Array.from(stdout.matchAll(/^<== (\S+) (\S+)/gm), ([, step, outcome]) => `${step} ${outcome}`),
      DRIVERS.map((step) => `${step} succeeded`),
    );
    for (const { ended } of replaced) assert.equal((await ended).code, 0);
  }

  await install("1.0.0");
  let up = await startUp();
  const [, , builder] = await Promise.all(DRIVERS.map(startDriver));
  assert.ok(builder);
  let current: Started = builder;
  const replaceUp = async () => {
    const before = up;
    before.kill("SIGTERM");
    await before.ended;
    up = await startUp();
    return before;
  };
  const replaceBuilder = async () => {
    const before = current;
    before.kill("SIGTERM");
    await before.said("finishes the 1 in hand");
    current = await startDriver("builder");
    return before;
  };
  await replaceWhileItBuilds("2.0.0", [replaceBuilder, replaceUp]);
  await replaceWhileItBuilds("1.0.0", [replaceUp, replaceBuilder]);
});
