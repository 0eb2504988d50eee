import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "../../lib/cli/shared/runs/command-for.ts";

test("commandFor has the flags with which the control plane was reached, in quotes where a shell needs them", () => {
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
      commandFor("logs -f", "7a0f6a2e-0000-4000-8000-000000000000", options),
      `flutter-ci logs -f ${flags}7a0f6a2e`,
    );
  }
});
