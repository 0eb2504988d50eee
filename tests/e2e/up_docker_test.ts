import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { flutterCi } from "../cli/start-program.ts";
import { brief } from "../engine/support/world.ts";
import { controlPlane } from "../support/control-plane.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { leftAsItWas } from "../support/left-as-it-was.ts";
import { startNats } from "../support/nats-server.ts";
import { makePlace } from "../support/start-run.ts";
import { TEST_IMAGE } from "../support/step-context.ts";

const FILES = { "Makefile": "all:\n\t@echo built with $$KIND\n\t@echo content > out.txt\n" };
const HOST = ["--allow-network", "host", "--grace", "1s"];

test("up builds what is submitted with the real drivers, in one process and over a broker, and leaves nothing behind", async () => {
  await using repository = await httpsRepository(FILES);
  await leftAsItWas(async () => {
    await using broker = await startNats();
    for (const flags of [[], ["--nats", broker.url]]) {
      await using plane = await controlPlane(...HOST, ...flags);
      const up = await plane.start();
      const output = join(plane.data, "output");
      const submitted = plane.submit(
        ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
        ...["-e", "KIND=love", "-a", "*.txt", "-o", output],
        repository.url,
      );
      const { code, stderr } = await submitted.ended;
      const events = await submitted.events();
      assert.equal(code, 0, `${submitted.output()}\n${up.output()}`);
      assert.equal(stderr, "");
      assert.ok(events.map(brief).some((text) => /^builder \d+ built with love$/.test(text)));
      const end = events.at(-1);
      assert.deepEqual(end?.type === "end" && end.artifacts.map(({ name }) => name), ["out.txt"]);
      assert.equal(await readFile(join(output, "out.txt"), "utf8"), "content\n");
      up.kill("SIGTERM");
      assert.equal((await up.ended).code, 0);
    }
  });
});

test("a build whose up was killed with its drivers is there when it is started again: it can be cancelled, and leaves nothing", async () => {
  await using repository = await httpsRepository({ "Makefile": "all:\n\t@echo begun; sleep 600\n" });
  await leftAsItWas(async () => {
    await using broker = await startNats();
    await using plane = await controlPlane(...HOST, "--ack-wait", "2s", "--nats", broker.url);
    const up = await plane.start();
    const submitted = plane.submit(
      ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
      repository.url,
    );
    await submitted.said('"message":"begun"');
    up.kill("SIGKILL");
    await up.ended;
    await submitted.said("trying again");
    const again = await plane.start();
    submitted.kill("SIGINT");
    const { code } = await submitted.ended;
    assert.equal(code, 130, `${submitted.output()}\n${again.output()}`);
    const end = (await submitted.events()).at(-1);
    assert.equal(end?.type === "end" && end.outcome, "cancelled");
    again.kill("SIGTERM");
    assert.equal((await again.ended).code, 0);
  });
});

test("a run on this machine leaves the containers of a control plane with the same data folder alone", async () => {
  const makefile = "all:\n\t@echo begun; while [ ! -e /tmp/go ]; do sleep 0.1; done\n";
  await using repository = await httpsRepository({ "Makefile": makefile });
  await using place = await makePlace();
  await leftAsItWas(async () => {
    await using plane = await controlPlane(...HOST);
    const up = await plane.start();
    const submitted = plane.submit(
      ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
      repository.url,
    );
    await submitted.said('"message":"begun"');
    const words = ["run", place.repository, "--data", plane.data, "--image", TEST_IMAGE, "-c", "make"];
    const beside = await flutterCi([...words, "--json"]);
    assert.equal(beside.code, 0, beside.stdout + beside.stderr);
    const run = /"run":"([^"]+)"/.exec(submitted.output())?.[1];
    execFileSync("docker", ["exec", `conveyor-${run}`, "touch", "/tmp/go"]);
    assert.equal((await submitted.ended).code, 0, submitted.output());
    up.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
  });
});
