import assert from "node:assert/strict";
import { defineDriver } from "../../lib/runtime.ts";
import { testDriver } from "../../lib/testing.ts";
import { needing } from "../support/needs.ts";
import { objectsOf, TEST_IMAGE } from "../support/step-context.ts";

const { test } = needing("Docker");

test("a driver is tested in a real container, which is gone afterwards", async () => {
  const driver = defineDriver({
    name: "inside",
    resources: ["thing"],
    container: true,
    async reconcile({ container }) {
      await container.copyIn("deep/new.txt", "written\n");
      const code = await container.exec("id -u; cat deep/new.txt; exit 3");
      const text = await container.readText("made.txt");
      return {
        success: true,
        message: `${code}`,
        data: { text, folder: await container.readText("deep") ?? null },
      };
    },
  });
  const { message, data, log } = await testDriver(driver, {
    container: { image: TEST_IMAGE, user: "1234", prepare: "echo made >made.txt" },
  });
  assert.deepEqual([message, data], ["3", { text: "made\n", folder: null }]);
  assert.deepEqual(log.map(({ message }) => message), ["1234", "written"]);
  assert.deepEqual(await objectsOf("test-driver"), []);
});
