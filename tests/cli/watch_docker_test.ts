import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { needing } from "../support/needs.ts";
import { until } from "../support/until.ts";
import { git } from "./git-repository.ts";
import { project } from "./run-project.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

const { test } = needing("Docker");

test("run --watch builds again when HEAD moves, whatever became of the build before, until it is told to stop", async () => {
  await using app = await project({ "a": "first\n" });
  const repo = join(app.path, "repo");
  const commit = async (name: string, text: string) => {
    await writeFile(join(repo, name), text);
    git(repo, "add", "--all");
    git(repo, "commit", "--quiet", "--message", name);
  };
  await using started = app.start("--watch", "-c", "cat a; grep -q second a");
  await started.said("first\n");
  await started.said("Waiting for HEAD to move; Ctrl-C to leave");
  await commit(".conveyor.yaml", "{ broken");
  await started.said("It cannot be read as JSON or YAML");
  git(repo, "rm", "--quiet", ".conveyor.yaml");
  await commit("a", "second\n");
  await started.said("\nsecond\n");
  await started.said("Succeeded in");
  started.kill("SIGTERM");
  const { code, stdout } = await started.ended;
  assert.equal(code, 143);
  assert.deepEqual(stdout.match(/^(?:Failed|Succeeded) /gm), ["Failed ", "Succeeded "]);
});

test("run --watch follows the ref that its file names, and reads a pipe once for all builds", async () => {
  await using app = await project({ "a": "first\n" });
  const repo = join(app.path, "repo");
  git(repo, "branch", "--quiet", "side");
  const pipe = join(app.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  await using started = app.start("--watch", "-f", pipe, "-c", "cat a");
  await writeWhenRead(pipe, "resource: flutter-builder\nspec: { ref: side }\n");
  await started.said("Waiting for side to move");
  const commit = async (name: string) => {
    await writeFile(join(repo, "a"), `${name}\n`);
    git(repo, "commit", "--quiet", "--all", "--message", name);
  };
  await commit("unasked");
  git(repo, "checkout", "--quiet", "side");
  await commit("second");
  await started.said("\nsecond\n");
  started.kill("SIGTERM");
  const { stdout } = await started.ended;
  assert.deepEqual(stdout.match(/^(?:first|unasked|second)$/gm), ["first", "second"]);
});

/** To write at once would block for good where nobody ever reads. */
async function writeWhenRead(pipe: string, text: string): Promise<void> {
  await until(async () => {
    try {
      await using file = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
      await file.write(text);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENXIO") return false;
      throw error;
    }
  }, `${pipe} is read`);
}

test("run --watch refuses what does not move on this machine", async () => {
  const { code, stderr } = await flutterCi(["run", "--watch", "https://git.example.com/app.git"]);
  assert.deepEqual([code, stderr], [
    2,
    'error: --watch: Cannot watch "https://git.example.com/app.git": expected a folder of this machine\n',
  ]);
  await using folder = await temporaryFolder();
  const file = join(folder.path, "build.yaml");
  const spec = '{ repository: https://git.example.com/app.git, commands: ["true"] }';
  await writeFile(file, `resource: flutter-builder\nspec: ${spec}\n`);
  const named = await flutterCi(["run", "--watch", "-f", file, "--data", join(folder.path, "data")]);
  assert.deepEqual([named.code, named.stderr], [code, stderr]);
});
