import assert from "node:assert/strict";
import { join } from "node:path";
import { TEST_IMAGE } from "../support/test-image.ts";
import { makeRepository } from "./git-repository.ts";
import { type Ended, flutterCi, type Started, startFlutterCi, temporaryFolder } from "./start-program.ts";

export interface Line {
  type: string;
  run: string;
  step: string;
  status: string;
  seq: number;
  message: string;
  [key: string]: unknown;
}

/** A folder with a repository `repo`, and the words that build it there. */
export async function project(files: Record<string, string> = { "hello.txt": "hello\n" }) {
  await using made = new AsyncDisposableStack();
  const folder = made.use(await temporaryFolder());
  // Programs that a test leaves running end before their folder goes.
  const programs = made.use(new AsyncDisposableStack());
  makeRepository(join(folder.path, "repo"), files);
  const data = join(folder.path, "data");
  const words = (...more: string[]) => [
    ...["run", "--data", data, "--image", TEST_IMAGE, "--pull", "never"],
    ...more,
  ];
  const kept = made.move();
  return {
    path: folder.path,
    /** To its end, from within the repository. */
    run: (...more: string[]) => flutterCi(words(...more), { cwd: join(folder.path, "repo") }),
    start: (...more: string[]) =>
      programs.use(startFlutterCi(words(...more), { cwd: join(folder.path, "repo") })),
    words,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export const linesOf = ({ stdout }: Ended): Line[] =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line));

export async function runIdOf(started: Started): Promise<string> {
  await started.said('"type":"run"');
  return started.output().match(/"run":"([0-9a-f-]{36})"/)?.[1] ?? assert.fail("No run id");
}
