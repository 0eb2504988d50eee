import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figure, Place } from "./bench.ts";
import { docker } from "./docker.ts";
import { runProcess } from "./processes.ts";
import { ratioFigure } from "./ratio.ts";
import { commitAll } from "./small-repository.ts";

const SECOND_BUILD = 0.3;

/** The time that caches save in a second build. */
export const secondBuild: Bench = {
  name: "second-build",
  group: "everyday",
  async measure(place) {
    const figures = [
      await buildTwice(place, makeC, "a C project of 120 files, objects kept by content (as ccache does)"),
    ];
    for (const tool of [goTool(), npmTool()]) {
      if (typeof tool === "string") place.say(`not measured: ${tool}`);
      else figures.push(await buildTwice(place, tool.make, tool.what, tool.folders));
    }
    return figures;
  },
};

/** A repository, and the command line that builds it. */
type Make = (folder: string) => Promise<{ repository: string; words: string[] }>;

async function buildTwice(
  { folder, program, image, say }: Place,
  make: Make,
  what: string,
  folders: readonly { from: string; to: string }[] = [],
): Promise<Figure> {
  say(`builds ${what} twice`);
  const own = join(folder, what.replace(/\W+/g, "-"));
  mkdirSync(own);
  const { repository, words } = await make(own);
  const used = folders.length === 0 ? image : await imageWith(image, folders);
  const data = join(own, "data");
  const run = async () =>
    (await runProcess([
      program,
      "run",
      "--image",
      used,
      "--data",
      data,
      "--network",
      "none",
      ...words,
      repository,
    ])).ms;
  try {
    const [first, second] = [await run(), await run()];
    return ratioFigure(`second build of ${what}`, { first, second, most: SECOND_BUILD });
  } finally {
    await runProcess([program, "gc", "--cache-max", "0", "--data", data]);
    if (used !== image) await docker("rmi", used);
  }
}

/** Makes an image that also has folders of this machine. */
async function imageWith(image: string, folders: readonly { from: string; to: string }[]): Promise<string> {
  const name = `conveyor-bench-${Date.now()}`;
  const container = await docker("create", image, "true");
  try {
    for (const { from, to } of folders) await docker("cp", "--follow-link", from, `${container}:${to}`);
    await docker("commit", container, name);
  } finally {
    await docker("rm", container);
  }
  return name;
}

/** A compiler that keeps objects by the hash of their preprocessed source. */
const COMPILE = `#!/bin/sh
set -e
hash=$(cc -E "$1" | sha256sum | cut -c 1-64)
if [ ! -f "$CACHE/$hash" ]; then
  cc -O2 -c -o "$CACHE/$hash.$$" "$1"
  mv "$CACHE/$hash.$$" "$CACHE/$hash"
fi
cp "$CACHE/$hash" "$2"
`;

async function makeC(folder: string): Promise<{ repository: string; words: string[] }> {
  const repository = join(folder, "repository");
  mkdirSync(repository);
  const names = Array.from({ length: 120 }, (_, i) => `part${i}`);
  for (const [i, name] of names.entries()) {
    const functions = Array.from(
      { length: 60 },
      (_, n) =>
        `int ${name}_${n}(int x) { int s = ${i}; for (int k = 0; k < x; k++) { s = s * ${
          n + 3
        } + k % (x + ${n} + 1); ` +
        `if (s > 1000) s -= x * ${n}; } return s; }`,
    );
    writeFileSync(join(repository, `${name}.c`), `#include <stdio.h>\n${functions.join("\n")}\n`);
  }
  writeFileSync(join(repository, "compile"), COMPILE, { mode: 0o755 });
  const objects = names.map((name) => `${name}.o`).join(" ");
  writeFileSync(
    join(repository, "Makefile"),
    `all: ${objects}\n%.o: %.c\n\t./compile $< $@\n`,
  );
  await commitAll(repository);
  return {
    repository,
    words: ["--cache", "objects:/var/cache/objects", "-e", "CACHE=/var/cache/objects", "-c", "make -j2"],
  };
}

interface Tool {
  readonly what: string;
  readonly make: Make;
  readonly folders: readonly { from: string; to: string }[];
}

function goTool(): Tool | string {
  const root = said("go", "env", "GOROOT");
  if (root === undefined) return "a Go module: there is no go on this machine to put into an image";
  return {
    what: "a Go module with net/http",
    folders: [{ from: root, to: "/usr/local/go" }],
    async make(folder) {
      const repository = join(folder, "repository");
      mkdirSync(repository);
      writeFileSync(join(repository, "go.mod"), "module example.org/app\n\ngo 1.21\n");
      writeFileSync(
        join(repository, "main.go"),
        'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n)\n\nfunc main() { fmt.Println(http.StatusText(200)) }\n',
      );
      await commitAll(repository);
      const env = ["GOCACHE=/var/cache/go", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local", "CGO_ENABLED=0"];
      return {
        repository,
        words: [
          "--cache",
          "go:/var/cache/go",
          ...env.flatMap((one) => ["-e", one]),
          "-c",
          "/usr/local/go/bin/go build -o app . && ./app",
        ],
      };
    },
  };
}

/** Returns why npm is not measured. */
function npmTool(): Tool | string {
  return "an npm project: no registry is asked by a bench, and one on this machine is as fast as a cache";
}

function said(...[program = "", ...words]: string[]): string | undefined {
  try {
    const text = execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .trim();
    return existsSync(text) ? realpathSync(text) : undefined;
  } catch {
    return undefined;
  }
}
