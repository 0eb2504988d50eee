import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { runProcess } from "./processes.ts";

const FILES = 1000;
const FILE_BYTES = 1000;
const CHANGED_BYTES = 30_000;

/** A repository whose history is much larger than its files: each commit replaces a file by random data. */
export async function importHistory(path: string, commits: number): Promise<void> {
  mkdirSync(path);
  const git = (...words: string[]) => runProcess(["git", "-C", path, ...words]);
  await git("init", "--quiet", "--initial-branch=main");
  const child = Bun.spawn(["git", "-C", path, "fast-import", "--quiet"], { stdin: "pipe" });
  child.stdin.write(commitOf(0));
  for (let i = 0; i < FILES; i++) child.stdin.write(fileOf(i, FILE_BYTES));
  for (let i = 1; i <= commits; i++) {
    child.stdin.write(commitOf(i));
    child.stdin.write(fileOf((i * 7919) % FILES, CHANGED_BYTES));
    await child.stdin.flush();
  }
  await child.stdin.end();
  if (await child.exited !== 0) throw new Error("git fast-import failed");
  await git("reset", "--quiet", "--hard");
}

const commitOf = (i: number): string =>
  `commit refs/heads/main\ncommitter bench <bench@localhost> ${1_700_000_000 + i} +0000\ndata 1\n.\n`;

function fileOf(i: number, bytes: number): Uint8Array {
  const text = Buffer.from(`M 644 inline part${i % 20}/file${i}\ndata ${bytes}\n`);
  return Buffer.concat([text, randomBytes(bytes), Buffer.from("\n")]);
}
