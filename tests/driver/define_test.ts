import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { defineDriver } from "../../lib/driver/define.ts";
import { succeed } from "./stage.ts";

const reconcile = () => Promise.resolve(succeed());

test("defineDriver takes a driver whose names are good", () => {
  const { name, resources } = defineDriver({
    name: "git-cloner_2",
    resources: ["flutter-builder", "t"],
    reconcile,
  });
  assert.deepEqual([name, resources], ["git-cloner_2", ["flutter-builder", "t"]]);
});

test("defineDriver refuses names that could not stand in a subject, and says which", () => {
  const cases: [string, string[], RegExp][] = [
    ["a.b", ["t"], /^Invalid driver name "a\.b": expected letters/],
    ["", ["t"], /^Invalid driver name "": /],
    ["a b", ["t"], /^Invalid driver name "a b": /],
    ["*", ["t"], /^Invalid driver name "\*": /],
    ["a".repeat(129), ["t"], /^Invalid driver name "a+": /],
    ["a", ["t", "x/y"], /^Invalid resource type "x\/y": /],
    ["a", [">"], /^Invalid resource type ">": /],
    ["a", [], /^Driver "a" handles nothing: expected at least one resource type$/],
    ["a", ["t", "t"], /^Driver "a" names resource type "t" twice: /],
  ];
  for (const [name, resources, expected] of cases) {
    assert.throws(() => defineDriver({ name, resources, reconcile }), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, expected);
      return true;
    });
  }
});
