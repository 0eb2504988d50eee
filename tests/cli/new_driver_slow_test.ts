import assert from "node:assert/strict";
import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { flutterCi, root, temporaryFolder } from "./start-program.ts";

test("new driver writes a folder with a driver of that name, and says what to do next", async () => {
  await using place = await temporaryFolder();
  const { code, stdout, stderr } = await flutterCi(["new", "driver", "unit_report-2"], { cwd: place.path });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^unit_report-2\/ has a driver/);
  const folder = join(place.path, "unit_report-2");
  const files = (await readdir(folder)).sort();
  assert.deepEqual(files, [
    ".gitignore",
    "README.md",
    "package.json",
    "tsconfig.json",
    "unit_report-2.ts",
    "unit_report-2_test.ts",
  ]);
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const { dependencies } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  assert.deepEqual(dependencies, { "conveyor-drivers": `^${version}` });
  assert.match(await readFile(join(folder, "unit_report-2.ts"), "utf8"), /^ {2}name: "unit_report-2",$/m);
});

test("new driver --package takes the package from a folder, on both runtimes", async () => {
  await using place = await temporaryFolder();
  await mkdir(join(place.path, "made"));
  await writeFile(join(place.path, "made/package.json"), '{ "name": "conveyor-drivers" }');
  const words = ["new", "driver", "counts", "--package", "made"];
  const { code, stderr } = await flutterCi(words, { cwd: place.path });
  assert.equal(code, 0, stderr);
  const read = async (name: string) => JSON.parse(await readFile(join(place.path, "counts", name), "utf8"));
  const made = await realpath(join(place.path, "made"));
  assert.deepEqual((await read("package.json")).overrides, { "conveyor-drivers": `file:${made}` });
  assert.deepEqual(await read("deno.json"), { links: [made] });
});

test("new driver --package refuses a folder without the package, and writes nothing", async () => {
  await using place = await temporaryFolder();
  for (const folder of [root, "nowhere", place.path]) {
    const { code, stderr } = await flutterCi(["new", "driver", "counts", "--package", folder], {
      cwd: place.path,
    });
    assert.deepEqual([code, stderr], [
      2,
      `error: There is no package conveyor-drivers in "${folder}": ` +
      "expected the folder that scripts/package made\n",
    ]);
  }
  assert.deepEqual(await readdir(place.path), []);
});

test("new driver overwrites nothing", async () => {
  await using place = await temporaryFolder();
  await mkdir(join(place.path, "taken"));
  await writeFile(join(place.path, "file"), "mine");
  for (const name of ["taken", "file"]) {
    const { code, stderr } = await flutterCi(["new", "driver", name], { cwd: place.path });
    assert.deepEqual([code, stderr], [
      2,
      `error: There is "${name}" already: expected a name of which there is nothing here\n`,
    ]);
  }
  assert.deepEqual(await readdir(join(place.path, "taken")), []);
  assert.equal(await readFile(join(place.path, "file"), "utf8"), "mine");
});

test("new driver refuses names that no driver can have", async () => {
  await using place = await temporaryFolder();
  for (const name of ["a.b", "../up", "a b", "builder"]) {
    const { code, stderr } = await flutterCi(["new", "driver", name], { cwd: place.path });
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(`"${name}"`) || stderr.includes(`'${name}'`), stderr);
  }
  assert.deepEqual(await readdir(place.path), []);
});
