import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, startProgram, temporaryFolder } from "../cli/start-program.ts";

test("import_folder of the scripts makes a whole image with its name, or leaves none behind", async () => {
  const named = "tag sha256:1 made:1";
  const removed = "rmi sha256:1";
  const cases: readonly [failing: string, calls: string[]][] = [
    ["", ["import -", named]],
    ["tar", ["import -", removed]],
    ["import", ["import -"]],
    ["tag", ["import -", named, removed]],
  ];
  for (const [failing, expected] of cases) {
    await using folder = await temporaryFolder();
    const log = join(folder.path, "calls");
    const fake = (name: string, text: string) =>
      writeFile(join(folder.path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    await fake("tar", `echo archive; [ '${failing}' != tar ]`);
    await fake(
      "docker",
      `echo "$@" >>'${log}'; [ "$1" != import ] || cat >/dev/null; [ "$1" != '${failing}' ] || exit 1
[ "$1" != import ] || echo sha256:1`,
    );
    const script = `. '${join(root, "scripts/lib.sh")}'; import_folder . made:1 --exclude=./dev`;
    await using program = startProgram("/bin/bash", ["-c", script], {
      cwd: folder.path,
      env: { PATH: `${folder.path}:${process.env.PATH}` },
    });
    const { code, stderr } = await program.ended;
    assert.equal(code, failing === "" ? 0 : 1, stderr);
    assert.deepEqual((await readFile(log, "utf8")).trim().split("\n"), expected);
  }
});
