import assert from "node:assert/strict";
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "../cli/start-program.ts";
import { commandsOfPage, scriptOf, typedBy } from "../release/install-page.ts";

const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...(await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];

const read = (page: string) => readFile(join(root, page), "utf8");

test("every link of every page leads to a file, and to a heading where it names one", async () => {
  for (const page of PAGES) {
    for (const [, target = ""] of (await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", heading] = target.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      await assert.doesNotReject(access(join(root, file)), `${page}: ${target}`);
      if (heading !== undefined) {
        assert.ok(headingsOf(await read(file)).includes(heading), `${page}: ${target}`);
      }
    }
  }
});

test("all that install.md tells a reader to type is followed by a test, or known not to be", async () => {
  const page = await commandsOfPage();
  const reader = { url: "URL", version: "VERSION", image: "IMAGE", repository: "REPOSITORY" };
  const script = scriptOf(page, reader).split("\n");
  // There is no Mac here.
  const apart = /^codesign /;
  for (const [section, commands] of page) {
    // These have tests of their own.
    if (section === "By Docker Compose" || section === "As a service") continue;
    for (const command of commands) {
      assert.ok(script.includes(typedBy(reader, command)) || apart.test(command), command);
    }
  }
});

test("every page of docs/ can be found from the README", async () => {
  const readme = await read("README.md");
  for (const page of PAGES.filter((name) => name.startsWith("docs/"))) {
    assert.ok(readme.includes(`(${page}`), `${page} is linked nowhere in README.md`);
  }
});

test("the programs and scripts that pages name exist", async () => {
  for (const page of PAGES) {
    for (const [name] of (await read(page)).matchAll(/(?<![\w./-])(?:bin|scripts)\/[a-z][\w.-]*[a-z]/g)) {
      await assert.doesNotReject(access(join(root, name)), `${page}: ${name}`);
    }
  }
});

test("the files of the code that pages name exist", async () => {
  for (const page of PAGES) {
    // The driver that its reader is told to write.
    const text = (await read(page)).replaceAll("drivers/notify.ts", "");
    for (const [name] of text.matchAll(/(?<![\w./-])(?:lib|drivers|tests)\/[\w./-]*\w/g)) {
      await assert.doesNotReject(access(join(root, name)), `${page}: ${name}`);
    }
  }
});

test("the flags that pages name are flags of a command", async () => {
  const sources = [
    "docs/flags.md",
    "lib/driver/program/command-line/program-flags.ts",
    "scripts/install.sh",
    "scripts/releases/options.ts",
  ];
  const texts = await Promise.all(sources.map(read));
  const known = new Set(texts.join("\n").match(/--[a-z][a-z-]*[a-z]/g));
  // Flags of scripts of this project and of other programs.
  const others = [
    "--under-load",
    "--minutes",
    "--filter",
    "--check",
    "--offline",
    "--compile",
    "--separate-git-dir",
    "--global",
    "--add",
    "--release",
    "--ignore-missing",
    "--force",
    "--sign",
    "--now",
  ];
  for (const page of PAGES) {
    for (const [name] of (await read(page)).matchAll(/(?<=`|\s)--[a-z][a-z-]*[a-z](?=[\s`,;:.=)])/g)) {
      assert.ok(known.has(name) || others.includes(name), `${page}: ${name}`);
    }
  }
});

test("what troubleshooting.md quotes is said by the code", async () => {
  const code = (await sourcesBelow("lib")).join("\n");
  const rows = (await read("docs/troubleshooting.md")).matchAll(/^\| `([^`]+)` \|/gm);
  for (const [, quoted = ""] of rows) {
    for (const part of quoted.split("…").map((text) => text.trim()).filter((text) => text.length > 3)) {
      assert.ok(code.includes(part), `"${quoted}": nothing says "${part}"`);
    }
  }
});

/** Headings as links name them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replace(/[^\w\s-]/g, "").replaceAll(" ", "-")
  );
}

async function sourcesBelow(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return await Promise.all(
    names.filter((name) => name.endsWith(".ts")).map((name) => read(`${folder}/${name}`)),
  );
}
