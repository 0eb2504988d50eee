import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inContainer, run, until } from "./real-docker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("exec keeps stdout and stderr apart and gives the exit code", () =>
  inContainer(async (docker, container) => {
    const { stdout, stderr, exitCode } = await run(
      docker,
      container,
      "echo out; echo err >&2; printf last; exit 7",
    );
    assert.equal(stdout.toString(), "out\nlast");
    assert.equal(stderr.toString(), "err\n");
    assert.equal(exitCode, 7);
  }));

test("exec runs with the environment, user and folder it is given", () =>
  inContainer(async (docker, container) => {
    const { stdout } = await run(docker, container, 'echo "$A|$B"; id -u; pwd', {
      env: { A: "a=b c", B: "" },
      user: "33",
      workdir: "/tmp",
    });
    assert.equal(stdout.toString(), "a=b c|\n33\n/tmp\n");
  }));

test("exec loses nothing of a long output", () =>
  inContainer(async (docker, container) => {
    const { stdout, exitCode } = await run(docker, container, "seq 1000000");
    assert.equal(stdout.toString(), Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join(""));
    assert.equal(exitCode, 0);
  }));

test("exec loses nothing of many small writes to both streams", () =>
  inContainer(async (docker, container) => {
    const { stdout, stderr } = await run(docker, container, [
      "bash",
      "-c",
      "for i in {1..20000}; do echo out $i; echo err $i >&2; done",
    ]);
    const lines = (word: string) => Array.from({ length: 20_000 }, (_, i) => `${word} ${i + 1}\n`).join("");
    assert.equal(stdout.toString(), lines("out"));
    assert.equal(stderr.toString(), lines("err"));
  }));

test("exec gives a process its standard input to the last byte, and closes it", () =>
  inContainer(async (docker, container) => {
    const sent = createHash("md5");
    const stdin = (async function* () {
      for (let i = 0; i < 200; i++) {
        const bytes = Buffer.alloc(50_000 + i, `piece ${i}`);
        sent.update(bytes);
        yield bytes;
      }
    })();
    const { stdout } = await run(docker, container, "tee /dev/stderr | md5sum >/tmp/sum; cat /tmp/sum", {
      stdin,
    });
    assert.equal(stdout.toString().split(" ")[0], sent.digest("hex"));
  }));

test("exec closes the standard input at once where there is none", () =>
  inContainer(async (docker, container) => {
    const { stdout } = await run(docker, container, "wc -c");
    assert.equal(stdout.toString().trim(), "0");
  }));

test("exec does not mind a process that does not read its standard input", () =>
  inContainer(async (docker, container) => {
    const stdin = (async function* () {
      for (let i = 0; i < 200; i++) yield new Uint8Array(65_536);
    })();
    assert.equal((await run(docker, container, "exit 4", { stdin })).exitCode, 4);
  }));

test("exec keeps many processes at once apart", () =>
  inContainer(async (docker, container) => {
    const numbers = Array.from({ length: 12 }, (_, i) => i);
    await Promise.all(numbers.map(async (i) => {
      const { stdout, exitCode } = await run(
        docker,
        container,
        `yes "process ${i}" | head -n 50000; exit ${i}`,
      );
      assert.equal(stdout.toString(), `process ${i}\n`.repeat(50_000));
      assert.equal(exitCode, i);
    }));
  }));

test("exec says why a program could not be started", () =>
  inContainer(async (docker, container) => {
    const { stdout, stderr, exitCode } = await run(docker, container, ["there-is-no-such-program"]);
    assert.match(`${stdout}${stderr}`, /"there-is-no-such-program": executable file not found/);
    assert.ok(exitCode === 126 || exitCode === 127, String(exitCode));
  }));

test("exec refuses a container that does not run or is not there", () =>
  inContainer(async (docker, container) => {
    await docker.kill(container);
    await until(async () => (await docker.inspect(container))?.state === "exited");
    await assert.rejects(docker.exec(container, { command: ["true"] }), { name: "DockerError", status: 409 });
    await assert.rejects(docker.exec("conveyor-test-gone", { command: ["true"] }), {
      name: "DockerError",
      status: 404,
    });
  }));

test("exec holds a process back whose output is not read", () =>
  inContainer(async (docker, container) => {
    const size = 50_000_000;
    const command = (file: string) => ["sh", "-c", `head -c ${size} /dev/zero; touch /tmp/${file}`];
    const unread = await docker.exec(container, { command: command("unread") });
    // Another of its kind, which is read, shows how much time it would have taken.
    assert.equal((await run(docker, container, command("read"))).stdout.length, size);
    assert.equal(await docker.exists(container, "/tmp/read"), true);
    assert.equal(await docker.exists(container, "/tmp/unread"), false);
    let received = 0;
    for await (const { data } of unread.output) received += data.length;
    assert.equal(received, size);
    assert.equal(await docker.exists(container, "/tmp/unread"), true);
  }));

for (const how of ["is detached from", "is not read to the end"]) {
  test(`exec lets a process go on that ${how}`, () =>
    inContainer(async (docker, container) => {
      const command = ["sh", "-c", "echo up; head -c 20000000 /dev/zero; touch /tmp/done"];
      const exec = await docker.exec(container, { command });
      for await (const _ of exec.output) {
        if (how === "is not read to the end") break;
        exec.detach();
      }
      await until(() => docker.exists(container, "/tmp/done"));
      // Not the 126 that the daemon says of a process that it can no longer write to.
      assert.equal(await exec.exitCode(), undefined);
    }));
}

test("exec gives the exit code of a process whose child still holds its output", () =>
  inContainer(async (docker, container) => {
    const exec = await docker.exec(container, { command: ["sh", "-c", "sleep 3600 & echo up; exit 3"] });
    const reading = (async () => {
      for await (const _ of exec.output);
      return "ended";
    })();
    await until(async () => await exec.exitCode() === 3);
    assert.equal(await Promise.race([reading, Promise.resolve("open")]), "open");
    exec.detach();
    assert.equal(await reading, "ended");
    assert.equal(await exec.exitCode(), 3);
  }));
