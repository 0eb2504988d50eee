import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { screenOf } from "../../lib/cli/shared/render/screen.ts";
import { colourStyle, plainStyle } from "../../lib/cli/shared/render/style.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

test("screenOf has colours on a terminal, unless the user wants none", () => {
  const terminal = { isTTY: true };
  assert.deepEqual(screenOf(terminal, { TERM: "xterm" }), { isTerminal: true, style: colourStyle });
  assert.deepEqual(screenOf(terminal, { CLICOLOR_FORCE: "0" }), { isTerminal: true, style: colourStyle });
  for (const refusal of [{ NO_COLOR: "1" }, { FORCE_COLOR: "0" }, { FORCE_COLOR: "false" }]) {
    assert.deepEqual(screenOf(terminal, refusal), { isTerminal: true, style: plainStyle });
  }
  assert.deepEqual(screenOf(terminal, { TERM: "dumb" }), { isTerminal: false, style: plainStyle });
});

test("screenOf has the width of a terminal that knows its own", () => {
  const width = (stdout: { isTTY?: boolean; columns?: number }) => screenOf(stdout, {}).columns;
  assert.equal(width({ isTTY: true, columns: 60 }), 60);
  assert.equal(width({ isTTY: true, columns: 0 }), undefined);
  assert.equal(width({ columns: 60 }), undefined);
});

test("screenOf has colours elsewhere if the user wants them", () => {
  for (const other of [{}, { CLICOLOR_FORCE: "0" }, { CLICOLOR_FORCE: "" }, { FORCE_COLOR: "" }]) {
    assert.deepEqual(screenOf({}, other), { isTerminal: false, style: plainStyle });
  }
  for (const wish of [{ FORCE_COLOR: "1" }, { CLICOLOR_FORCE: "1" }, { FORCE_COLOR: "1", TERM: "dumb" }]) {
    assert.deepEqual(screenOf({}, wish), { isTerminal: false, style: colourStyle });
  }
  const both = { NO_COLOR: "1", FORCE_COLOR: "1" };
  assert.deepEqual(screenOf({}, both), { isTerminal: false, style: plainStyle });
});

test("what goes into a pipe has colours if the user wants them, and is else the same", async () => {
  await using folder = await temporaryFolder();
  for (const args of [["run", "--help"], ["doctor", "--data", folder.path]]) {
    const shown = async (env: Record<string, string>) =>
      (await flutterCi(args, { env: { DOCKER_HOST: "unix:///nowhere", ...env } })).stdout;
    const [plain, coloured] = await Promise.all([shown({}), shown({ FORCE_COLOR: "1" })]);
    assert.notEqual(coloured, plain, args.join(" "));
    // Free space and inodes change all the time.
    const told = (text: string) => stripVTControlCharacters(text).replaceAll(/[\d.]+/g, "N");
    assert.equal(told(coloured), told(plain));
  }
});
