import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, startProgram, temporaryFolder } from "../cli/start-program.ts";

test("import_folder of the scripts gives an image its name only where tar and Docker did all of their work", async () => {
  for (const [failing, expected] of [["", 0], ["tar", 1], ["docker", 1]] as const) {
    await using folder = await temporaryFolder();
    const log = join(folder.path, "calls");
    const fake = async (name: string, text: string) => {
      const path = join(folder.path, name);
      await writeFile(path, `#!/bin/sh\n${text}\n${name === failing ? "exit 1" : ""}\n`);
      await chmod(path, 0o755);
    };
    await fake("tar", "echo archive");
    await fake("docker", `echo "$@" >>'${log}'; [ "$1" != import ] || { cat >/dev/null; echo sha256:1; }`);
    const script = `. '${join(root, "scripts/lib.sh")}'; import_folder . made:1 --exclude=./dev`;
    await using program = startProgram("/bin/bash", ["-c", script], {
      cwd: folder.path,
      env: { PATH: `${folder.path}:${process.env.PATH}` },
    });
    const { code, stderr } = await program.ended;
    assert.equal(code, expected, stderr);
    const calls = (await readFile(log, "utf8")).trim().split("\n");
    assert.deepEqual(calls, ["import -", ...failing === "" ? ["tag sha256:1 made:1"] : []]);
  }
});
