import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { containerName } from "../../lib/build/labels.ts";
import { openFleet } from "../support/fleet.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", "broker");

/** Says line after line until it is let go, and then how many they were. */
const TALKS =
  "i=0; until [ -e /tmp/go ]; do i=$((i+1)); echo line $i; sleep 0.01; done; echo all $i; touch /tmp/gone";

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

for (const end of ["stop", "kill"] as const) {
  for (const [whenDone, isDoneMeanwhile] of [["meanwhile", true], ["after that", false]] as const) {
    test(`a build whose broker ends by ${end} in the middle of it and comes back, and which is done ${whenDone}, loses no line`, async () => {
      await using fleet = await openFleet();
      await fleet.local(containerStart, gitCloner, containerStop);
      const builder = await fleet.driver("builder");
      const { url: repository, image } = remote.current ?? {};
      const run = await fleet.submit({ repository, image, commands: [TALKS] });
      const container = containerName(run.id);
      const inContainer = (script: string) =>
        execFileSync("docker", ["exec", container, "sh", "-c", script], { encoding: "utf8" });
      await run.line("line 20");
      await fleet.server[end]();
      await builder.said("Lost NATS");
      if (isDoneMeanwhile) inContainer("touch /tmp/go; until [ -e /tmp/gone ]; do sleep 0.05; done");
      await fleet.server.start();
      await builder.said("Connected to NATS");
      if (!isDoneMeanwhile) inContainer("touch /tmp/go");
      const { outcome, lines: count } = await run.ended;
      assert.equal(outcome, "succeeded");
      const logged = run.events.flatMap((event) => event.type === "log" ? [event] : []);
      assert.deepEqual(logged.map(({ seq }) => seq), logged.map((_, i) => i + 1));
      assert.equal(count, logged.length);
      const said = logged.flatMap(({ step, stream, message }) =>
        step === "builder" && stream === "stdout" ? [message] : []
      );
      const total = said.length - 1;
      assert.deepEqual(said, [...Array.from({ length: total }, (_, i) => `line ${i + 1}`), `all ${total}`]);
      assert.equal(logged.filter(({ message }) => message.includes("Attempt")).length, 0);
    });
  }
}
