import assert from "node:assert/strict";
import { InputError } from "../../../lib/base/errors.ts";
import { matchesGlob, parseGlob } from "../../../lib/base/glob/glob.ts";
import { type Choose, chooseFrom, chooser } from "../../../tests/support/chooser.ts";

const SIMPLE = ["a", "b", "*", "?", "/", "a", "**/", "c"];
const ANY = [...SIMPLE, "[", "]", "[!a-b]", "{", "}", ",", "\\", "!", ".", "ü", "😀", "(", "|", "+"];

/** A glob must be refused, or match in bounded time. Simple globs must match as a plain search does. */
export function fuzzGlob(seed: number): void {
  const choose = chooser(seed);
  const isSimple = choose(2) === 0;
  const glob = someText(choose, isSimple ? SIMPLE : ANY, isSimple ? 8 : 40);
  const path = someText(
    choose,
    ["a", "b", "c", "/", ...isSimple ? [] : [".", "ü", "😀"]],
    isSimple ? 8 : 200,
  );
  const work = { steps: 0 };
  let isMatch: boolean;
  try {
    isMatch = matchesGlob(parseGlob(glob, { isExact: true }), path, work);
  } catch (error) {
    if (error instanceof InputError) return;
    throw error;
  }
  assert.ok(
    work.steps <= 300 * (glob.length + 1) * (path.length + 1),
    `${work.steps} steps: ${glob} on ${path}`,
  );
  const isClean = (text: string) => !/^\/|\/\/|\/$/.test(text) && text !== "";
  if (!isSimple || !isClean(glob) || !isClean(path) || /\*\*(?!\/)|[^/]\*\*\//.test(glob)) return;
  assert.equal(isMatch, search(glob.split("/"), path.split("/")), `${glob} on ${path}`);
}

function someText(choose: Choose, signs: readonly string[], most: number): string {
  return Array.from({ length: 1 + choose(most) }, () => chooseFrom(choose, signs)).join("");
}

/** Matches by trying everything: correct, but slow. */
function search(glob: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = glob;
  if (first === undefined) return path.length === 0;
  if (first === "**") return search(rest, path) || (path.length > 0 && search(glob, path.slice(1)));
  return path.length > 0 && searchName(first, path[0] ?? "") && search(rest, path.slice(1));
}

function searchName(glob: string, name: string): boolean {
  if (glob === "") return name === "";
  if (glob[0] === "*") {
    return searchName(glob.slice(1), name) || (name !== "" && searchName(glob, name.slice(1)));
  }
  return name !== "" && (glob[0] === "?" || glob[0] === name[0]) && searchName(glob.slice(1), name.slice(1));
}
