import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { loadDrivers } from "../../lib/cli/shared/load-driver.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const driver = (name: string) => `{ name: "${name}", resources: ["thing"], reconcile: async () => ({}) }`;

/** Loads files with these texts; the names of the drivers, or why there are none. */
async function load(...texts: string[]): Promise<string[] | string> {
  await using folder = await temporaryFolder();
  const files = texts.map((_, i) => join(folder.path, `driver-${i}.mjs`));
  for (const [i, text] of texts.entries()) await writeFile(files[i] ?? "", text);
  try {
    return (await loadDrivers(files)).map(({ name }) => name);
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message.replaceAll(folder.path, "");
  }
}

test("loadDrivers takes a file's driver however it is exported, also in a manager, and what is beside it", async () => {
  assert.deepEqual(await load(`export const a = ${driver("one")};`, `export default ${driver("two")};`), [
    "one",
    "two",
  ]);
  assert.deepEqual(await load(`export const a = ${driver("one")}; export default a;`), ["one"]);
  const others =
    "export const n = null; export const s = 's'; export const o = { name: 'x', resources: [] };";
  const odd = "export const list = { name: 'x', resources: 'thing', reconcile() {} };";
  const unnamed = "export const f = { resources: [], reconcile() {} };";
  assert.deepEqual(await load(`${others}${odd}${unnamed} export const a = ${driver("one")};`), ["one"]);
  const managed = `export const manager = { driver: ${driver("managed")}, run() {} };`;
  assert.deepEqual(await load(managed), ["managed"]);
  assert.deepEqual(await loadDrivers(), []);
});

test("loadDrivers refuses what is no driver, more than one, and names that two have or none may have", async () => {
  const wanted = "expected one driver, made by defineDriver";
  assert.equal(await load("export const a = 1;"), `--driver: "/driver-0.mjs" exports none: ${wanted}`);
  assert.equal(
    await load("export const config = { driver: 7 };"),
    `--driver: "/driver-0.mjs" exports none: ${wanted}`,
  );
  assert.equal(
    await load(`export const a = ${driver("one")}; export const b = ${driver("two")};`),
    `--driver: "/driver-0.mjs" exports "one", "two": ${wanted}`,
  );
  assert.equal(
    await load(...["one", "two", "one"].map((name) => `export const a = ${driver(name)};`)),
    '--driver: Two drivers have the name "one": expected one',
  );
  assert.match(`${await load(`export const a = ${driver("no name.")};`)}`, /no name\./);
  assert.match(`${await load("this is no code")}`, /^--driver: "\/driver-0\.mjs" cannot be loaded: /);
});

test("loadDrivers finds a package that is installed in the current folder, and only there", async () => {
  await using folder = await temporaryFolder();
  const home = join(folder.path, "node_modules", "their-driver");
  await mkdir(home, { recursive: true });
  await writeFile(
    join(home, "package.json"),
    JSON.stringify({ name: "their-driver", main: "index.mjs" }),
  );
  await writeFile(join(home, "index.mjs"), `export const a = ${driver("theirs")};`);
  const before = process.cwd();
  process.chdir(folder.path);
  try {
    assert.deepEqual((await loadDrivers(["their-driver"])).map(({ name }) => name), ["theirs"]);
    await assert.rejects(loadDrivers(["another-driver"]), {
      name: "InputError",
      message: /There is no package "another-driver" here/,
    });
  } finally {
    process.chdir(before);
  }
});
