import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProcess } from "./processes.ts";

const MODULES = Array.from({ length: 10 }, (_, i) => `part${i}`);

/** Makes a git repository with a small C program, a dozen files and a Makefile. Returns its path. */
export async function makeSmallRepository(folder: string): Promise<string> {
  const path = join(folder, "repository");
  mkdirSync(path);
  for (const name of MODULES) {
    writeFileSync(join(path, `${name}.c`), `#include "parts.h"\nint ${name}(int x) { return x * 3 + 1; }\n`);
  }
  writeFileSync(join(path, "parts.h"), MODULES.map((name) => `int ${name}(int x);\n`).join(""));
  writeFileSync(join(path, "main.c"), MAIN);
  writeFileSync(join(path, "Makefile"), MAKEFILE);
  await commitAll(path);
  return path;
}

/** Makes a repository of the folder, with its files in one commit. */
export async function commitAll(path: string): Promise<void> {
  const git = (...words: string[]) => runProcess(["git", "-C", path, ...words]);
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "--all");
  const author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
  await git(...author, "commit", "--quiet", "--message=All of it");
}

const MAIN = `#include <stdio.h>
#include "parts.h"
int main(void) {
  printf("%d\\n", ${MODULES.reduce((inner, name) => `${name}(${inner})`, "1")});
  return 0;
}
`;

const MAKEFILE = `objects = main.o ${MODULES.map((name) => `${name}.o`).join(" ")}
program: $(objects)
\tcc -o $@ $(objects)
$(objects): parts.h
`;
