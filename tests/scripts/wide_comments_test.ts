import assert from "node:assert/strict";
import { test } from "node:test";
import { wideComments } from "../../scripts/wide-comments.ts";

test("wideComments finds the lines of comments that are too wide, and no line of code", () => {
  const text = [
    "/** 4567890 */",
    "/** 45678901 */",
    "/**",
    " * 45678901234",
    " * 456789012345",
    "  // 67890123456",
    'const text = "code may be wider, // whatever is in it";',
    `// ${"…".repeat(11)}`,
  ].join("\n");
  assert.deepEqual(wideComments(text, 14), [2, 5, 6]);
});
