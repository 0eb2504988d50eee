import assert from "node:assert/strict";
import type { Context } from "../../lib/driver/driver.ts";
import { controlPlane, scriptedDrivers } from "../support/control-plane.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { startFlutterCi } from "./start-program.ts";

const { after, before, test } = needing("broker");

let broker: NatsServer;
before(async () => void (broker = await startNats()));
after(() => broker[Symbol.asyncDispose]());

test("logs -f goes on over a restart of the control plane, without a line lost or twice", async () => {
  const isDown = Promise.withResolvers<void>();
  const isUp = Promise.withResolvers<void>();
  await using plane = await controlPlane("--nats", broker.url, "--drivers", "none");
  const up = await plane.start();
  const line = async ({ log }: Context, from: number, to: number) => {
    for (let i = from; i <= to; i++) await log.line(`line ${i}`);
  };
  await using _drivers = await scriptedDrivers(broker.url, {
    builder: async (context) => {
      await line(context, 1, 500);
      await isDown.promise;
      await line(context, 501, 1000);
      await isUp.promise;
      await line(context, 1001, 1500);
    },
  });
  await plane.submit("--detach").ended;
  await using following = startFlutterCi(["logs", "-f", "last", "--data", plane.data, "--api", plane.url]);
  await following.said("line 500\n");
  up.kill("SIGKILL");
  await up.ended;
  isDown.resolve();
  await following.said("trying again");
  await plane.start();
  isUp.resolve();
  const { code, stdout, stderr } = await following.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    stdout.split("\n").filter((text) => text.startsWith("line ")),
    Array.from({ length: 1500 }, (_, i) => `line ${i + 1}`),
  );
});
