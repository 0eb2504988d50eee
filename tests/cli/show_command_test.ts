import assert from "node:assert/strict";
import { test } from "node:test";
import { showCommandOf } from "../../lib/cli/shared/runs/show-command.ts";

test("showCommandOf has the flags with which the control plane was reached, in quotes where a shell needs them", () => {
  const [here, away] = ["http://127.0.0.1:8080", "https://ci.example.com"];
  const cases = [
    [{}, ""],
    [{ api: here }, ""],
    [{ api: here, data: "/d" }, "--data /d "],
    [{ api: here, tokenFile: "data/up/token" }, `--api ${here} --token-file data/up/token `],
    [{ api: away }, `--api ${away} `],
    [
      { api: away, tokenFile: "my token", tlsCa: "it's.pem" },
      `--api ${away} --token-file 'my token' --tls-ca 'it'\\''s.pem' `,
    ],
  ] as const;
  for (const [options, flags] of cases) {
    assert.equal(
      showCommandOf("7a0f6a2e-0000-4000-8000-000000000000", options),
      `flutter-ci show ${flags}7a0f6a2e`,
    );
  }
});
