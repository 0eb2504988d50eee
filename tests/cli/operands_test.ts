import assert from "node:assert/strict";
import { test } from "node:test";
import { newCommand } from "../../lib/driver/program/command-line/command.ts";
import { type Operands, operandsOf } from "../../lib/cli/shared/request/operands.ts";

/** What the words mean, as commander and `operandsOf` read them together. */
async function read(...words: string[]): Promise<Operands> {
  let found: Operands | undefined;
  await newCommand({ path: "x", summary: "x", description: "x", usage: "x", examples: [] })
    .argument("[repository]", "x")
    .argument("[command...]", "x")
    .option("-c, --command <text>", "x")
    .option("-q, --quiet", "x")
    .option("--image <name>", "x")
    .action((_repository, _command, _options, { args, options }) => {
      found = operandsOf(args, words, options);
    })
    .parseAsync(words, { from: "user" });
  assert.ok(found);
  return found;
}

for (
  const [words, repository, command] of [
    [["repo"], "repo", undefined],
    [["repo", "--", "make", "-c", "x"], "repo", ["make", "-c", "x"]],
    [["--", "make", "--", "x"], undefined, ["make", "--", "x"]],
    [["-c", "--", "repo"], "repo", undefined],
    [["--command", "--", "repo", "--", "make"], "repo", ["make"]],
    [["-qc", "--", "repo"], "repo", undefined],
    [["-cq", "--", "make"], undefined, ["make"]],
    [["--image=x", "--", "make"], undefined, ["make"]],
    [["--image", "--", "--", "make"], undefined, ["make"]],
  ] as const
) {
  test(`operandsOf finds the "--" that is no flag's value in: ${words.join(" ")}`, async () => {
    assert.deepEqual(await read(...words), { repository, command });
  });
}
