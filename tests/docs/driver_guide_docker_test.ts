import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CACHES, root, runtime, startProgram } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { startRegistry } from "../support/package-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { test } = needing("Docker");

test("the lines of the driver guide work, typed one after the other into an empty folder", async () => {
  const own = runtime === "bun" ? "With Bun" : "With Deno";
  const lines = [...await linesOf(own), ...await linesOf("As a step of a build")];
  assert.ok(lines.length >= 10, lines.join("\n"));
  await using opening = new AsyncDisposableStack();
  // It has the libraries that the package needs, but not the package.
  const registry = opening.use(await startRegistry());
  const { path } = opening.use(await temporaryFolder());
  const env = {
    HOME: path,
    XDG_CACHE_HOME: CACHES,
    PATH: `${join(root, "bin")}:${process.env.PATH}`,
    NPM_CONFIG_REGISTRY: registry.url,
    BUN_INSTALL_CACHE_DIR: join(path, ".cache"),
    CONVEYOR_RUNTIME: runtime,
    XDG_STATE_HOME: join(path, ".state"),
    NO_COLOR: "1",
    GIT_AUTHOR_NAME: "author",
    GIT_AUTHOR_EMAIL: "author@localhost",
    GIT_COMMITTER_NAME: "author",
    GIT_COMMITTER_EMAIL: "author@localhost",
  };
  for (const line of await linesOf("The package")) {
    const { code, stdout, stderr } = await startProgram("/bin/sh", ["-c", line], { cwd: root, env }).ended;
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
  }
  let folder = path;
  let said = "";
  for (const line of lines) {
    if (line.startsWith("cd ")) {
      folder = join(folder, line.slice(3));
      continue;
    }
    const typed = line.replace("conveyor-build:bookworm", process.env.CONVEYOR_TEST_IMAGE ?? "$&");
    const { code, stdout, stderr } = await startProgram("/bin/sh", ["-c", typed], { cwd: folder, env }).ended;
    said = stdout + stderr;
    assert.equal(code, 0, `${line}\n${said}`);
  }
  assert.match(said, /^README\.md has \d+ lines$/m);
  assert.match(said, /line-count +succeeded/);
});

/** What a section of the guide tells its reader to type. */
async function linesOf(section: string): Promise<string[]> {
  const guide = await readFile(join(root, "docs/driver-guide.md"), "utf8");
  const [own = ""] = (guide.split(`\n## ${section}\n`)[1] ?? "").split("\n## ");
  return [...own.matchAll(/^\$ (.*)$/gm)].map(([, line = ""]) => line);
}
