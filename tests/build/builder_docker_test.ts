import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { builder } from "../../drivers/builder.ts";
import { delay } from "../../lib/base/signals.ts";
import type { Docker, OutputChunk } from "../../lib/docker/docker.ts";
import { testDocker } from "../support/step-context.ts";
import { checkedOut, settings } from "./build.ts";

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
  for (
    const [reason, commands] of [
      ["out-of-memory", [eat]],
      ["disk-full", ["dd if=/dev/zero of=/dev/shm/x bs=1M count=100"]],
      ["pids-exhausted", ["for i in $(seq 100); do sleep 5 & done; wait"]],
      ["command-failed", ["echo fine; exit 1"]],
    ] as const
  ) {
    await checkedOut({ limits, commands }, async ({ step }) => {
      const { failure, lines } = await step(builder);
      assert.equal(failure?.reason, reason, lines.join("\n"));
    });
  }
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
  await checkedOut({ commands: ["echo first; sleep 2; echo second; exit 5"] }, async ({ step }) => {
    const { failure, lines } = await step(builder, { docker: cuttingOff(docker) });
    assert.match(failure?.message ?? "", /exited with 5/);
    const output = lines.indexOf("stdout first");
    assert.match(lines[output + 1] ?? "", /^system Docker lost the rest of the output/);
  });
});

/** Of each process only the first piece of its output comes. */
function cuttingOff(docker: Docker): Docker {
  return {
    ...docker,
    async exec(...given) {
      const process = await docker.exec(...given);
      return { ...process, output: first(process.output[Symbol.asyncIterator]()) };
    },
  };
}

async function* first(output: AsyncIterator<OutputChunk>): AsyncGenerator<OutputChunk> {
  const { done, value } = await output.next();
  if (!done) yield value;
}

test("a cancelled step ends its whole process tree, also what ignores TERM and what has left its parent", async () => {
  const commands = [
    "trap '' TERM; (setsid sh -c \"trap '' TERM; sleep 600\" &); echo begun; while :; do sleep 1; done",
  ];
  await checkedOut({ commands }, async ({ step, container }) => {
    const cancel = new AbortController();
    const running = step(builder, { signal: cancel.signal });
    running.catch(() => {});
    const begun = () =>
      execFileSync("docker", ["top", container], { encoding: "utf8" }).includes("sleep 600");
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 50));
    const at = Date.now();
    cancel.abort(new Error("cancelled for the test"));
    await assert.rejects(running, /cancelled for the test/);
    assert.ok(Date.now() - at < settings.graceMs + 5000);
    const left = execFileSync("docker", ["ps", "-q", "--filter", `name=${container}`], { encoding: "utf8" });
    assert.equal(left, "", "what ignores TERM can only be ended with its container");
  });
});

test("artifacts that match nothing, or link out of the workspace, fail the step by name", async () => {
  for (
    const [artifact, message] of [["missing-*", /missing-\*/], [
      "passwd",
      /outside of the workspace/,
    ]] as const
  ) {
    await checkedOut({ commands: ["ln -s /etc/passwd passwd"], artifacts: [artifact] }, async ({ step }) => {
      const { failure } = await step(builder);
      assert.equal(failure?.reason, "artifact-failed");
      assert.match(failure?.message ?? "", message);
    });
  }
});

test("artifacts are kept no further once one of them has failed", async () => {
  const commands = ["ln -s /etc/passwd a; for i in $(seq 200); do echo $i >b$i; done"];
  await checkedOut({ commands, artifacts: ["a", "b*"] }, async ({ step }) => {
    const { failure, artifacts } = await step(builder);
    assert.equal(failure?.reason, "artifact-failed");
    const kept = artifacts.size;
    assert.ok(kept < 50, `${kept} of 200`);
    await delay(500);
    assert.equal(artifacts.size, kept);
  });
});
