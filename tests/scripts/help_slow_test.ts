import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const SCRIPTS = join(import.meta.dirname, "../../scripts");

/** Scripts that a person calls; these two pass flags on to another program. */
const PASS_ON = ["nats", "schemathesis"];

async function scripts(): Promise<string[]> {
  const files = (await readdir(SCRIPTS, { withFileTypes: true })).filter((it) => it.isFile());
  const names = files.map(({ name }) => name).filter((name) =>
    !name.includes(".") && !PASS_ON.includes(name)
  );
  assert.ok(names.includes("test") && names.includes("demo"));
  return names;
}

const call = (name: string, flag: string) => {
  const { status, stdout, stderr } = spawnSync(join(SCRIPTS, name), [flag], { encoding: "utf8" });
  return { status, stdout, stderr };
};

test("each script says what it does where it is asked for help, and nothing else", async () => {
  for (const name of await scripts()) {
    for (const flag of ["-h", "--help"]) {
      const { status, stdout } = call(name, flag);
      assert.equal(status, 0, `${name} ${flag}`);
      assert.match(stdout, /^[A-Z]/, `${name} ${flag}`);
    }
  }
});

test("a script refuses a flag it does not know, and takes it for no folder", async () => {
  for (const name of await scripts()) {
    const { status, stderr } = call(name, "--nonsense");
    assert.equal(status, 2, `${name}: ${stderr}`);
    assert.match(stderr, /^error: .*--nonsense/, name);
  }
});

test("what scripts say has colours on a terminal only, and none where nobody wants them", () => {
  const said = (terminal: boolean, env: Record<string, string> = {}) => {
    const line = `. ${join(SCRIPTS, "lib.sh")} && say hello`;
    const [program = "", ...words] = terminal
      ? ["script", "--quiet", "--command", `bash -c '${line}'`, "/dev/null"]
      : ["bash", "-c", line];
    const { PATH = "" } = process.env;
    // Deno adds the variables of its own process here.
    const own = { PATH, NO_COLOR: "", ...env };
    const { stdout, stderr } = spawnSync(program, words, { encoding: "utf8", env: own });
    return `${stdout}${stderr}`.trimEnd();
  };
  assert.equal(said(false), "· hello");
  assert.equal(said(true), "\x1b[2m·\x1b[0m hello");
  assert.equal(said(true, { NO_COLOR: "1" }), "· hello");
});
