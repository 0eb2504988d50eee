import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { newCommand } from "../../lib/driver/program/command-line/command.ts";
import { applyEnvironment } from "../../lib/driver/program/command-line/flag.ts";
import { type PolicySchema, readPolicy, withPolicyFlags } from "../../lib/driver/program/policy-flags.ts";
import { parsedText } from "../../lib/wire/parsed-text.ts";

const fields = z.object({
  maxTests: z.int().min(1).default(10_000).describe("tests that are read at most"),
  level: z.enum(["low", "high"]).default("low").describe("how strict"),
  allowName: z.array(z.string().min(2)).optional().meta({ value: "name", description: "a name, repeatable" }),
  dryRun: z.boolean().default(false).describe("change nothing"),
  size: parsedText((text) => text.length).optional().meta({ description: "a size", without: "none" }),
  room: parsedText((text) => text.length).prefault("20g").meta({ description: "room" }),
});

const commandFor = (policy: PolicySchema) =>
  withPolicyFlags(newCommand({ path: "x", summary: "x", examples: [] }), policy).configureOutput({
    writeErr: () => {},
  });

async function read(words: string[], environment: Record<string, string> = {}): Promise<unknown> {
  const command = commandFor(fields).parse(words, { from: "user" });
  applyEnvironment(command, environment);
  return await readPolicy(fields, command.opts());
}

test("a policy's flags have names, values, defaults and words from its schema", () => {
  const help = commandFor(fields).helpInformation().replaceAll(/\s+/g, " ");
  assert.match(help, /--max-tests <n> tests that are read at most \(default: 10000\)/);
  assert.match(help, /--level <word> how strict \(low, high; default: low\)/);
  assert.match(
    help,
    /--allow-name <name> a name, repeatable --dry-run change nothing --size <text> a size \(default: none\) --room <text> room \(default: 20g\)/,
  );
});

test("a policy is read from flags and variables, with defaults for what nobody says", async () => {
  assert.deepEqual(await read([]), { maxTests: 10_000, level: "low", dryRun: false, room: 3 });
  const words = "--max-tests 7 --level high --allow-name ab --allow-name cd --dry-run --size four".split(" ");
  const all = { maxTests: 7, level: "high", allowName: ["ab", "cd"], dryRun: true, size: 4, room: 3 };
  assert.deepEqual(await read(words), all);
  const variables = {
    CONVEYOR_MAX_TESTS: "7",
    CONVEYOR_LEVEL: "high",
    CONVEYOR_ALLOW_NAME: "ab\ncd",
    CONVEYOR_DRY_RUN: "yes",
    CONVEYOR_SIZE: "four",
  };
  assert.deepEqual(await read([], variables), all);
  assert.deepEqual(await read(["--max-tests", "8"], variables), { ...all, maxTests: 8 });
});

test("a value that a policy does not take is refused with the flag, the value and what was expected", async () => {
  const refused = (words: string[], message: RegExp) =>
    assert.rejects(() => read(words), { name: "InputError", message });
  await refused(["--max-tests", "many"], /^--max-tests: Invalid value "many": expected number/);
  await refused(["--max-tests", "0"], /^--max-tests: Invalid value "0": .*>=1/);
  await refused(["--level", "middle"], /^--level: Invalid value "middle": expected low or high/);
  await refused(["--allow-name", "a"], /^--allow-name: Invalid value "a": /);
});

test("a policy may go on from its flags, and what it lacks is named by its flag", async () => {
  const policy = z.object({ file: z.string(), n: z.int().default(1) })
    .transform(async ({ file, n }) => ({ content: await Promise.resolve(file.repeat(n)) }));
  assert.match(commandFor(policy).helpInformation(), /--file <text>/);
  assert.deepEqual(await readPolicy(policy, { file: "ab", n: 2, other: 1 }), { content: "abab" });
  await assert.rejects(readPolicy(policy, {}), { name: "InputError", message: /^--file: / });
  assert.throws(() => commandFor(z.string()), TypeError);
});
