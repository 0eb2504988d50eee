import assert from "node:assert/strict";
import { test } from "node:test";
import { settingsFor } from "../../lib/build/settings-for.ts";
import { testSettings } from "../support/settings.ts";

const settings = testSettings({ graceMs: 5000, maxLogBytes: 1000, maxArtifactBytes: 2000 });

function limitsOf(spec: object) {
  const resource = { id: "r", name: "app", resource: "flutter-builder", spec };
  const { graceMs, maxLogBytes, maxArtifactBytes, ...rest } = settingsFor(resource, settings);
  const { graceMs: _g, maxLogBytes: _l, maxArtifactBytes: _a, ...same } = settings;
  assert.deepEqual(rest, same);
  return [graceMs, maxLogBytes, maxArtifactBytes];
}

const REPOSITORY = "https://example.org/app.git";

test("settingsFor gives a build less grace, log and artifacts where it asks for less, never more", () => {
  assert.deepEqual(limitsOf({ repository: REPOSITORY }), [5000, 1000, 2000]);
  assert.deepEqual(limitsOf({ repository: REPOSITORY, grace: "1s", limits: { log: 10, artifacts: 0 } }), [
    1000,
    10,
    0,
  ]);
  assert.deepEqual(
    limitsOf({ repository: REPOSITORY, grace: "1h", limits: { log: "1g", artifacts: "1g" } }),
    [
      5000,
      1000,
      2000,
    ],
  );
});

test("settingsFor leaves the settings for a spec that makes no sense, which the step refuses", () => {
  assert.deepEqual(limitsOf({ repository: REPOSITORY, grace: "soon" }), [5000, 1000, 2000]);
  assert.deepEqual(limitsOf({}), [5000, 1000, 2000]);
});
