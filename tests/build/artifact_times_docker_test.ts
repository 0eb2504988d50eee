import assert from "node:assert/strict";
import { builder } from "../../drivers/builder.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import type { Artifact } from "../../lib/wire/run.ts";
import { checkedOut } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const MAKE =
  "mkdir out; cd out; touch a b new; chmod 755 a; touch -d @1000000000 a b; touch -d 1960-01-01 old; " +
  "truncate -s 40M large; touch -d @1100000000.9 large";

/** How files come, the command that makes them come so, and what that says of a time before 1970. */
const WAYS = [
  ["the container's tar", "true", undefined],
  ["Docker's archive", "rm $(command -v tar)", 0],
] as const;

for (const [by, more, before] of WAYS) {
  test(`the times of artifacts are kept where an entry asks for it, by ${by}`, async () => {
    const artifacts = [
      "out/b",
      "out/new",
      ...["out/a", "out/old", "out/large"].map((glob) => ({ glob, times: true })),
    ];
    await checkedOut({ commands: [`${MAKE}; ${more}`], artifacts }, async ({ step }) => {
      const stored: Record<string, unknown> = {};
      const putArtifact: BuildContext["putArtifact"] = async (name, bytes, { mode, mtime } = {}) => {
        let size = 0;
        for await (const chunk of bytes) size += chunk.length;
        stored[name] = [mode, mtime];
        return { size, sha256: "" };
      };
      const { result, failure } = await step(builder, { putArtifact });
      assert.equal(failure, undefined);
      const listed = (result?.data as { artifacts: Artifact[] }).artifacts;
      assert.deepEqual(listed.map(({ name, mtime }) => [name, mtime]), [
        ["out/a", 1_000_000_000],
        ["out/b", undefined],
        ["out/large", 1_100_000_000],
        ["out/new", undefined],
        ["out/old", before],
      ]);
      assert.deepEqual(stored, {
        "out/a": [0o755, 1_000_000_000],
        "out/b": [0o644, undefined],
        "out/large": [0o644, 1_100_000_000],
        "out/new": [0o644, undefined],
        "out/old": [0o644, before],
      });
    });
  });
}
