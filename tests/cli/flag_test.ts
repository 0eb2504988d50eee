import assert from "node:assert/strict";
import { Command } from "@commander-js/extra-typings";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import {
  applyEnvironment,
  flag,
  listFlag,
  switchFlag,
  variableOf,
} from "../../lib/driver/program/command-line/flag.ts";
import { duration, text, wholeNumber } from "../../lib/driver/program/command-line/values.ts";

function parse(words: readonly string[], environment: Record<string, string> = {}) {
  const command = new Command()
    .exitOverride()
    .addOption(flag("--ack-wait <time>", "a time", duration).default(30_000))
    .addOption(flag("--depth <n>", "a number", wholeNumber(0)))
    .addOption(listFlag("-a, --artifact <glob>", "many", text))
    .addOption(switchFlag("--json", "a switch"));
  command.parse(words, { from: "user" });
  applyEnvironment(command, environment);
  return command.opts();
}

test("variableOf is CONVEYOR_ and the flag's name in capitals", () => {
  assert.equal(variableOf("--ack-wait"), "CONVEYOR_ACK_WAIT");
  assert.equal(variableOf("--json"), "CONVEYOR_JSON");
});

test("a flag wins over its variable, which wins over the default", () => {
  assert.equal(parse([]).ackWait, 30_000);
  assert.equal(parse([], { CONVEYOR_ACK_WAIT: "5s" }).ackWait, 5000);
  assert.equal(parse(["--ack-wait", "2m"], { CONVEYOR_ACK_WAIT: "5s" }).ackWait, 120_000);
});

test("a flag wins over its variable although that makes no sense", () => {
  assert.equal(parse(["--depth", "0"], { CONVEYOR_DEPTH: "deep" }).depth, 0);
});

test("an empty variable counts as not set", () => {
  assert.equal(parse([], { CONVEYOR_ACK_WAIT: "" }).ackWait, 30_000);
  assert.equal(parse([], { CONVEYOR_JSON: "" }).json, undefined);
});

test("a repeatable flag keeps its order, and its variable holds one value a line", () => {
  assert.deepEqual(parse(["-a", "x", "--artifact", "y,z"]).artifact, ["x", "y,z"]);
  assert.deepEqual(parse([], { CONVEYOR_ARTIFACT: "x y\n\nz,*\n" }).artifact, ["x y", "z,*"]);
  assert.deepEqual(parse(["-a", "x"], { CONVEYOR_ARTIFACT: "y" }).artifact, ["x"]);
});

test("a switch can be set, and unset, by its variable", () => {
  for (const yes of ["1", "true", "YES", "on"]) {
    assert.equal(parse([], { CONVEYOR_JSON: yes }).json, true, yes);
  }
  for (const no of ["0", "false", "No", "off"]) {
    assert.equal(parse([], { CONVEYOR_JSON: no }).json, false, no);
  }
});

test("a bad value is refused by the name of the flag or of the variable", () => {
  const refused = (work: () => unknown, expected: string) =>
    assert.throws(work, (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.equal(error.message, expected);
      return true;
    });
  const what = 'Invalid number "deep": expected a whole number, 0 or more';
  refused(() => parse(["--depth", "deep"]), `--depth: ${what}`);
  refused(() => parse([], { CONVEYOR_DEPTH: "deep" }), `CONVEYOR_DEPTH: ${what}`);
  refused(
    () => parse([], { CONVEYOR_JSON: "maybe" }),
    'CONVEYOR_JSON: Invalid value "maybe": expected true or false',
  );
});

test("variables of the surroundings that belong to no flag are left alone", () => {
  assert.deepEqual(parse([], { CONVEYOR_VERSION: "x", CONVEYOR_OTHER: "y" }), { ackWait: 30_000 });
});
