import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { testDocker } from "../support/step-context.ts";
import { build, repository, settings } from "./build.ts";
import { patience } from "../support/within.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("the four drivers build a local repository and keep its artifacts", async () => {
  using app = repository({ "hello.c": "int main(void) { return 0; }\n", Makefile: "hello: hello.c\n" });
  const spec = {
    repository: app.path,
    commands: ["make", ["ln", "-s", "hello", "alias"]],
    artifacts: ["hell[o]", "al*"],
  };
  await build(spec, async ({ step, run }) => {
    const started = await step(containerStart);
    assert.deepEqual(Object.keys(started.result?.data as object), ["containerID", "host", "run"]);
    assert.match(
      started.lines.join("\n"),
      /user root.*memory.*no swap.*pids 4096.*isolated bridge.*no new privileges/,
    );
    const cloned = await step(gitCloner);
    const commit = execFileSync("git", ["-C", app.path, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
    assert.deepEqual(cloned.result?.data, { commit, ref: "refs/heads/main" });
    const built = await step(builder);
    const data = built.result?.data as {
      commands: { command: string; exitCode: number }[];
      artifacts: { name: string; path: string }[];
    };
    assert.deepEqual(data.commands.map(({ command, exitCode }) => [command, exitCode]), [["make", 0], [
      "ln -s hello alias",
      0,
    ]]);
    assert.deepEqual(data.artifacts.map(({ name, path }) => [name, path]), [["alias", "hello"], [
      "hello",
      "hello",
    ]]);
    assert.equal(built.artifacts.get("alias")?.subarray(1, 4).toString(), "ELF");
    assert.ok(built.lines.includes("stdout cc     hello.c   -o hello"), built.lines.join("\n"));
    assert.ok(run);
  });
});

test("sweep removes what dead runs left, and nothing of live runs or other owners", async () => {
  await using docker = testDocker();
  await build({}, async (live) => {
    await live.step(containerStart);
    await build({}, async (dead) => {
      await dead.step(containerStart);
      const signal = patience();
      assert.deepEqual(await sweep(docker, { owner: "somebody else", isAlive: () => false, signal }), []);
      const removed = await sweep(docker, {
        owner: settings.owner,
        isAlive: (run) => run === live.run,
        signal,
      });
      assert.deepEqual(removed, [dead.idle]);
      assert.equal((await docker.inspect(live.idle))?.state, "running");
    });
  });
});
