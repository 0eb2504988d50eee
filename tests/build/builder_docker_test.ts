import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder } from "../../drivers/builder.ts";
import type { Docker, OutputChunk } from "../../lib/docker/docker.ts";
import { testDocker } from "../support/step-context.ts";
import { until } from "../support/until.ts";
import { testPolicy } from "../support/settings.ts";
import { checkedOut } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("builder gives commands CI, the run, its commit and ref, the spec's variables and secrets, and no input", async () => {
  const spec = { env: [{ name: "COLOUR", value: "ü'$x" }], commands: ["env; pwd; cat; echo end"] };
  await checkedOut(spec, async ({ step, run }) => {
    const { lines } = await step(builder, { secrets: { PASSWORD: "correct horse" } });
    assert.ok(lines.includes("stdout CI=true"));
    assert.ok(lines.includes(`stdout CONVEYOR_RUN=${run}`));
    assert.ok(lines.includes("stdout CONVEYOR_REF=refs/heads/main"));
    assert.ok(lines.includes("stdout COLOUR=ü'$x"));
    assert.ok(lines.includes("stdout PASSWORD=***"));
    assert.ok(lines.includes("stdout /workspace"));
    assert.ok(lines.includes("stdout end"));
  });
});

test("builder ends at the first command that fails and says which, how and after what", async () => {
  await checkedOut({ commands: ["true", "echo why >&2; exit 3", "echo never"] }, async ({ step }) => {
    const { failure, lines } = await step(builder);
    assert.equal(failure?.reason, "command-failed");
    assert.match(failure?.message ?? "", /exited with 3/);
    assert.deepEqual((failure?.data.commands as { exitCode: number }[]).map((c) => c.exitCode), [0, 3]);
    assert.ok(lines.includes("stderr why"));
    assert.ok(!lines.some((line) => line.includes("never") && line.startsWith("stdout")));
  });
});

test("builder never runs commands twice: a second attempt ends what still runs and says driver-lost", async () => {
  await checkedOut({ commands: ["echo once >>/tmp/times"] }, async ({ step, container }) => {
    assert.ok((await step(builder)).result?.success);
    execFileSync("docker", ["exec", "-d", container, "sleep", "600"]);
    const { failure } = await step(builder, { attempt: 2 });
    assert.equal(failure?.reason, "driver-lost");
    const processes = execFileSync("docker", ["top", container], { encoding: "utf8" });
    assert.doesNotMatch(processes, /sleep 600/);
    assert.equal(
      execFileSync("docker", ["exec", container, "cat", "/tmp/times"], { encoding: "utf8" }),
      "once\n",
    );
  });
});

test("builder tells memory, disk and processes that have run out apart from an ordinary failure", async () => {
  const limits = { memory: "200m", pids: 40 };
  const eat = "head -c 900m /dev/zero | tail";
  const words = "Killed; No space left on device; ENOSPC; fork: Resource temporarily unavailable";
  const cases = {
    "out-of-memory": eat,
    "disk-full": "dd if=/dev/zero of=/dev/shm/x bs=1M count=100",
    "pids-exhausted": "for i in $(seq 100); do sleep 2 & done; wait",
    "command-failed": `echo "${words}"; echo "${words}" >&2; exit 1`,
  };
  await Promise.all(
    Object.entries(cases).map(([reason, command]) =>
      checkedOut({ limits, commands: [command] }, async ({ step }) => {
        const { failure, lines } = await step(builder);
        assert.equal(failure?.reason, reason, lines.join("\n"));
      })
    ),
  );
});

test("builder never takes a build that kills every process of its container for one that succeeds", async () => {
  for (
    const commands of [["kill -9 -1; exit 0"], ["kill -9 -1; exit 0", "echo never"], [
      "kill -9 -1; sleep 600",
    ], [
      "kill -9 1; kill -9 -1",
    ]]
  ) {
    await checkedOut({ commands }, async ({ step }) => {
      const { result, failure, lines } = await step(builder);
      assert.equal(result, undefined, lines.join("\n"));
      assert.equal(failure?.reason, "command-failed", lines.join("\n"));
      assert.equal(failure?.data.exitCode, 137);
      assert.match(failure?.message ?? "", /every process of the container was killed from inside$/);
      assert.ok(!lines.includes("stdout never"));
    });
  }
});

test("builder says container-lost where somebody stops the container, and where it is removed", async () => {
  for (const how of [["kill"], ["rm", "-fv"]]) {
    await checkedOut({ commands: ["echo begun; sleep 600"] }, async ({ step, container, run }) => {
      await using docker = testDocker();
      const running = step(builder);
      await until(async () => (await docker.processes(container)).some((one) => one.command === "sleep 600"));
      execFileSync("docker", [...how, container]);
      const { failure, lines } = await running;
      assert.equal(failure?.reason, "container-lost", `${run}: ${lines.join("\n")}`);
    });
  }
});

test("builder runs a second attempt's commands never, though the build has removed all it can reach", async () => {
  const commands = [
    "echo once >>/workspace/times; rm -rf /.conveyor /tmp/* /workspace/.git; mkdir /.conveyor",
  ];
  await checkedOut({ commands }, async ({ step, container }) => {
    const both = await Promise.all([step(builder), step(builder)]);
    assert.deepEqual(both.filter(({ result }) => result?.success).length <= 1, true);
    assert.equal((await step(builder, { attempt: 2 })).failure?.reason, "driver-lost");
    const times = execFileSync("docker", ["exec", container, "cat", "/workspace/times"], {
      encoding: "utf8",
    });
    assert.equal(times, "once\n");
  });
});

test("builder ends as disk-full what takes more disk than the operator allows, in its workspace or beside it", async () => {
  for (const folder of ["/workspace", "/var/tmp"]) {
    const commands = [`head -c 60m /dev/zero >${folder}/large; sleep 600`];
    await checkedOut({ commands }, async ({ step }) => {
      const { failure } = await step(builder, { policy: testPolicy({ maxDiskBytes: 50 * 1024 ** 2 }) });
      assert.equal(failure?.reason, "disk-full");
      assert.match(
        failure?.message ?? "",
        /^The build takes 60\.\d MiB of disk, more than the 50\.0 MiB that are allowed here$/,
      );
    });
  }
});

test("builder works in an image that was made of a container whose build has begun", async () => {
  const image = `conveyor-test-${crypto.randomUUID().slice(0, 8)}`;
  try {
    await checkedOut({ commands: ["true"] }, async ({ step, container }) => {
      assert.ok((await step(builder)).result?.success);
      execFileSync("docker", ["commit", container, image]);
    });
    await checkedOut({ image, commands: ["echo again"] }, async ({ step }) => {
      const { result, failure } = await step(builder);
      assert.ok(result?.success, `${failure?.message}`);
    });
  } finally {
    execFileSync("docker", ["rmi", "-f", image], { stdio: "ignore" });
  }
});

test("builder ends in time, for the right reason, in a container whose tools a command has replaced", async () => {
  const replace = ["sh", "bash", "kill", "df", "ps", "id", "cat", "find", "tar"].map((tool) =>
    `/bin/${tool} /usr/bin/${tool}`
  )
    .join(" ");
  const script =
    `cp /bin/sleep /bin/sleep.real; cp /bin/bash /bin/bash.real; printf '#!/bin/bash.real\\necho "pids unknown"; exit 1\\n' >/tmp/x; chmod 755 /tmp/x
    for tool in ${replace}; do [ -e $tool ] && /bin/cp --remove-destination /tmp/x $tool; done; exit 0`;
  const fails = ["/usr/bin/perl", "-e", "exit 7"];
  await checkedOut({ commands: [script, fails] }, async ({ step }) => {
    const { failure, lines } = await step(builder);
    assert.equal(failure?.reason, "command-failed", lines.join("\n"));
    assert.match(failure?.message ?? "", /exited with 7$/);
  });
});

test("builder goes on when a process that was left behind holds the output open", async () => {
  await checkedOut({ commands: ["(setsid sleep 300 &) ; echo started", "echo second"] }, async ({ step }) => {
    const { result, lines } = await step(builder);
    assert.ok(result?.success);
    assert.ok(lines.includes("stdout second"));
    assert.ok(lines.some((line) => line.startsWith("system A process that was left behind")));
  });
});

test("output that is cut off on its way shows in the log, and the process is waited for", async () => {
  await using docker = testDocker();
  const command = "echo first; until [ -e /tmp/go ]; do sleep 0.05; done; echo second; exit 5";
  await checkedOut({ commands: [command] }, async ({ step, container }) => {
    const goOn = () => void execFileSync("docker", ["exec", container, "touch", "/tmp/go"]);
    const { failure, lines } = await step(builder, { docker: cuttingOff(docker, goOn) });
    assert.match(failure?.message ?? "", /exited with 5/);
    const output = lines.indexOf("stdout first");
    assert.match(lines[output + 1] ?? "", /^system Docker dropped the rest of the output/);
  });
});

/**
 * Of each process only the first piece of its output comes; `then` is called when somebody has asked often
 * for its end.
 */
function cuttingOff(docker: Docker, then: () => void): Docker {
  return {
    ...docker,
    async exec(...given) {
      const process = await docker.exec(...given);
      let asked = 0;
      const exitCode = () => {
        if (++asked === 20) then();
        return process.exitCode();
      };
      return { ...process, exitCode, output: first(process.output[Symbol.asyncIterator]()) };
    },
  };
}

async function* first(output: AsyncIterator<OutputChunk>): AsyncGenerator<OutputChunk> {
  const { done, value } = await output.next();
  if (!done) yield value;
}

test("a cancelled step ends its whole process tree, also what ignores TERM and what has left its parent", async () => {
  await using docker = testDocker();
  const commands = [
    "trap '' TERM; (setsid sh -c \"trap '' TERM; sleep 600\" &); echo begun; while :; do sleep 1; done",
  ];
  await checkedOut({ commands }, async ({ step, container }) => {
    const cancel = new AbortController();
    const running = step(builder, { signal: cancel.signal });
    running.catch(() => {});
    await until(async () => (await docker.processes(container)).some((one) => one.command === "sleep 600"));
    cancel.abort(new Error("cancelled for the test"));
    await assert.rejects(running, /cancelled for the test/);
    const left = execFileSync("docker", ["ps", "-q", "--filter", `name=${container}`], { encoding: "utf8" });
    assert.equal(left, "", "what ignores TERM can only be ended with its container");
  });
});
