import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { registerResources } from "../../lib/driver/conveyor/register-resources.ts";
import { makeRepository } from "../cli/git-repository.ts";
import { root, startProgram } from "../cli/start-program.ts";
import { openStage } from "../conveyor/stage.ts";
import { needing } from "../support/needs.ts";
import { TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { patience } from "../support/within.ts";

const { test } = needing("Docker", "broker");

test("the lines of conveyor.md start a build on a Conveyor server, and read its log and results", async () => {
  await using opening = new AsyncDisposableStack();
  const docker = opening.use(testDocker());
  const owner = `test-${randomUUID()}`;
  opening.defer(async () => void await sweep(docker, { owner, isAlive: () => false, signal: patience() }));
  const drivers = [containerStart, gitCloner, builder, containerStop];
  const { server, result } = opening.use(await openStage({ drivers, docker, owner }));
  await registerResources(containerStart, { api: server.api, credentials: {}, signal: patience() });
  const { path } = opening.use(await temporaryFolder());
  makeRepository(path, { "Makefile": "all:\n\techo made >app\n" });

  const [start = "", look = ""] = await blocksOf("Start a build");
  const typed = (lines: string) =>
    lines.replace("http://127.0.0.1:8080", server.api).replace("https://git.example.com/app.git", path)
      .replace("gcc:14", TEST_IMAGE);
  const say = async (lines: string) => {
    const { code, stdout, stderr } = await startProgram("/bin/sh", ["-euc", lines], { cwd: path }).ended;
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const run = (await say(`${typed(start)}echo "$RUN"`)).trimEnd().split("\n").at(-1) ?? "";
  assert.match(run, /^[0-9a-f-]{36}$/);
  assert.equal((await result(run, "container-stop")).success, true);
  for (const waiting = patience();;) {
    waiting.throwIfAborted();
    const said = await say(`API=${server.api} RUN=${run}\n${look}`);
    // The log, then the results.
    if (/"message":"Kept app \(5 B\)".*"driverresults\.container-stop":/s.test(said)) break;
  }
});

/** The shell blocks of a section of the page. */
async function blocksOf(section: string): Promise<string[]> {
  const page = await readFile(join(root, "docs/conveyor.md"), "utf8");
  const [own = ""] = (page.split(`\n## ${section}\n`)[1] ?? "").split("\n## ");
  return [...own.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);
}
