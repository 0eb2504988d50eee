import assert from "node:assert/strict";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { within } from "../backend/transport-conformance/opened.ts";
import { root, runtime, type Started, startProgram } from "../cli/start-program.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { disposable } from "../support/fleet.ts";
import { objectsOfBroker } from "../support/left-as-it-was.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { needing } from "../support/needs.ts";

/** Where the lines of the pages find broker and API, by the defaults of everybody. */
const PORTS = { nats: 4222, api: 8080 };
const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];
const taken = await Promise.all(Object.values(PORTS).map(isTaken));

/**
 * These programs are typed as they stand there, so they cannot be told to go elsewhere, nor run twice at
 * once.
 */
const { test } = needing(
  "Docker",
  "broker",
  () => taken.some((is) => is) && "Something listens on port 4222 or 8080 of this machine already",
);

test(
  "the lines of docs/fleet.md build zlib, each typed in a terminal of its own",
  async () => {
    // In the place of what is beyond this machine: an image in which GitHub has zlib, whatever network there
    // is.
    using remote = remoteRepository({
      configure: "echo Checking for gcc...",
      makes: "libz.a",
      tag: "v1.3.1",
    });
    const lines = (await linesOf("docs/fleet.md")).map((line) =>
      line.replace("conveyor-build:bookworm", remote.image)
    );
    const [nats, up, ...rest] = lines;
    const submit = rest.pop();
    assert.deepEqual(rest.map((line) => line.split(" ")[0]), DRIVERS.map((name) => `bin/${name}`));
    await using place = await checkout();
    await using terminals = new AsyncDisposableStack();
    const type = async (line: string | undefined, ready: string): Promise<Started> => {
      const typed = terminals.use(place.type(line ?? ""));
      await within(typed.said(ready), `"${ready}" of ${line}`);
      return typed;
    };
    await type(nats, "Server is ready");
    const plane = await type(up, "Serves http://127.0.0.1:8080");
    const drivers = await Promise.all(rest.map((line) => type(line, " takes events of flutter-builder")));
    const { code, stdout, stderr } = await place.type(submit ?? "").ended;
    assert.equal(code, 0, stdout + stderr + plane.output());
    assert.match(stdout, /^Checking for gcc\.\.\.$/m);
    assert.match(stdout, /^Succeeded in /m);
    assert.equal(await readFile(join(place.path, "artifacts/libz.a"), "utf8"), "made\n");
    await interrupt([...drivers, plane]);
    assert.deepEqual(await objectsOfBroker(`nats://127.0.0.1:${PORTS.nats}`), []);
  },
);

test(
  "the lines of docs/conveyor.md build for one, each typed in a terminal of its own",
  async () => {
    using remote = remoteRepository();
    const lines = await linesOf("docs/conveyor.md");
    assert.deepEqual(lines.map((line) => line.split(" ")[0]), DRIVERS.map((name) => `bin/${name}`));
    await using place = await checkout();
    await using server = await startConveyor({ ports: PORTS });
    await using terminals = new AsyncDisposableStack();
    const drivers = lines.map((line) => terminals.use(place.type(line)));
    const registered = drivers.map((driver) => driver.said("Registered resource type"));
    await within(Promise.all(registered), "the drivers to find the server's API");
    const resource = "flutter-builder";
    const steps = DRIVERS.map((name) => ({ id: name, name, driver: name }));
    await server.call("POST", "/pipelines", { name: "flutter", resource, steps });
    const spec = { repository: remote.url, image: remote.image, commands: ["make"] };
    const run = await server.create({ name: "app", resource, pipeline: "flutter", spec });
    const last = await server.result((one) =>
      one.run_id === run && one.driverresult.driver === "container-stop"
    );
    assert.equal(last.driverresult.success, true, last.text);
    const results = server.results.filter(({ run_id }) => run_id === run).map(({ driverresult }) =>
      driverresult
    );
    assert.deepEqual(
      results.map(({ driver, success }) => [driver, success]),
      DRIVERS.map((name) => [name, true]),
    );
    await interrupt(drivers);
    assert.deepEqual(await objectsOfBroker(server.nats), []);
  },
);

/** What a page tells its reader to type, line by line, as it stands there. */
async function linesOf(page: string): Promise<string[]> {
  const text = await readFile(join(root, page), "utf8");
  return [...text.matchAll(/^\$ (.*)$/gm)].map(([, line = ""]) => line);
}

/** A checkout of this project with a state of its own, in which lines are typed. */
async function checkout() {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const link = (name: string) => symlink(join(root, name), join(path, name));
  await mkdir(join(path, ".tools"));
  await Promise.all(["bin", "scripts", ".tools/bin"].map(link));
  await symlink(
    process.env.NATS_SERVER ?? join(root, ".tools/nats-server"),
    join(path, ".tools/nats-server"),
  );
  const opened = opening.move();
  const env = { CONVEYOR_RUNTIME: runtime, XDG_STATE_HOME: join(path, "state") };
  return {
    path,
    type: (line: string) => disposable(startProgram("/bin/sh", ["-c", `exec ${line}`], { cwd: path, env })),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Ctrl-C in each of the terminals, which all end in peace. */
async function interrupt(programs: readonly Started[]): Promise<void> {
  for (const program of programs) program.kill("SIGINT");
  const ends = await Promise.all(programs.map(({ ended }) => ended));
  assert.deepEqual(
    ends.map(({ code }) => code),
    programs.map(() => 0),
    ends.map(({ stderr }) => stderr).join("\n"),
  );
}

function isTaken(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection(port, "127.0.0.1");
  connection.once("connect", () => resolve(true)).once("error", () => resolve(false));
  return promise.finally(() => connection.destroy());
}
