/** The tests of the examples, which import the package by its name, as their authors run them. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../cli/start-program.ts";
import "../../examples/invoice/invoice_test.ts";
import "../../examples/notify/notify_test.ts";
import "../../examples/ported-from-go/driver_test.ts";
import "../../examples/unit-report/unit-report_test.ts";

test("every example has a manifest that wants the package by its name, and its test is run here", async () => {
  const { name, version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const own = await readFile(join(root, "tests/examples/examples_test.ts"), "utf8");
  for (const example of await readdir(join(root, "examples"))) {
    const manifest = JSON.parse(await readFile(join(root, "examples", example, "package.json"), "utf8"));
    assert.deepEqual([manifest.name, manifest.dependencies], [example, { [name]: `^${version}` }]);
    assert.ok(own.includes(`/examples/${example}/`), `${example} has no test in the suite`);
  }
});
