import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { openPlane } from "../../lib/cli/up/open-plane.ts";
import { upCommand } from "../../lib/cli/up/up-command.ts";
import { OTHER_RUN, RUN, runOf } from "../backend/store-conformance/opened.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const OWN = "aaaaaaaa-a278-4a8f-96be-ac49b007ca65";

test("openPlane leaves runs to the processes that run them, alive or gone, and lists the others as open", async () => {
  await using folder = await temporaryFolder();
  const gone = await openEmbedded({ folder: folder.path, scope: OTHER_RUN });
  await gone[Symbol.asyncDispose]();
  await using alive = await openEmbedded({ folder: folder.path, scope: RUN });
  for (const run of [OWN, RUN, OTHER_RUN]) await alive.store.runs.put(run, runOf(run), 0);
  await using plane = await openPlane(
    (await upCommand({})).opts(),
    folder.path,
    new AbortController().signal,
  );
  assert.deepEqual(await plane.store.runs.open(), [OWN]);
  assert.equal((await plane.store.runs.list({ outcome: "open" })).length, 3);
  assert.equal(plane.owner, alive.owner);
});
