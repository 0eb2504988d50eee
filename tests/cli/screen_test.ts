import assert from "node:assert/strict";
import { test } from "node:test";
import { screenOf } from "../../lib/cli/shared/render/screen.ts";
import { colourStyle, plainStyle } from "../../lib/cli/shared/render/style.ts";

test("screenOf has colours on a terminal, unless the user wants none", () => {
  const terminal = { isTTY: true };
  assert.deepEqual(screenOf(terminal, { TERM: "xterm" }), { isTerminal: true, style: colourStyle });
  for (const refusal of [{ NO_COLOR: "1" }, { FORCE_COLOR: "0" }, { FORCE_COLOR: "false" }]) {
    assert.deepEqual(screenOf(terminal, refusal), { isTerminal: true, style: plainStyle });
  }
  assert.deepEqual(screenOf(terminal, { TERM: "dumb" }), { isTerminal: false, style: plainStyle });
  assert.deepEqual(screenOf({}, { FORCE_COLOR: "1" }), { isTerminal: false, style: plainStyle });
});
