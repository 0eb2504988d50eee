import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import type { ClaimReply } from "../../lib/wire/claim.ts";
import { openStage, succeed } from "./stage.ts";

test("an attempt that ends without a result lets go of its claim, and the next one begins without waiting", async () => {
  let holder: number | undefined;
  let granted = 0;
  const answer = (attempt: number | undefined, letsGo: boolean | undefined): ClaimReply => {
    if (letsGo) {
      holder = undefined;
      return { answer: "done" };
    }
    if (attempt === undefined && holder !== undefined) return { answer: "wait", retryMs: 3_600_000 };
    holder = attempt ?? ++granted;
    return { answer: "go", attempt: holder };
  };
  await using stage = await openStage({ engine: ({ attempt, letsGo }) => answer(attempt, letsGo) });
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  stage.start(({ attempt }) => attempt < 3 ? Promise.reject(away) : Promise.resolve(succeed("at last")));
  await stage.send();
  assert.equal((await stage.result()).result.message, "at last");
  const letGo = stage.claims.filter(({ letsGo }) => letsGo).map(({ attempt }) => attempt);
  assert.deepEqual(letGo, [1, 2]);
});
