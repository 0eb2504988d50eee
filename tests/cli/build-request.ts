import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../lib/base/errors.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { makeRepository } from "./git-repository.ts";

export const URL = "https://git.example.com/group/app.git";
export const none = { repository: URL, command: undefined };

export type Options = Parameters<typeof buildRequest>[0];

/** The spec that is asked for by flags, over a file if there is one. */
export async function specOf(options: Partial<Options>, operands = {}, environment = {}): Promise<unknown> {
  const { resource } = await buildRequest(options as Options, { ...none, ...operands }, environment);
  return resource.spec;
}

/** Writes a resource file beside a repository `repo`, and gives its path. */
export async function resourceFile(folder: string, text: string): Promise<string> {
  if (!existsSync(join(folder, "repo"))) makeRepository(join(folder, "repo"), { "a.txt": "a" });
  const path = join(folder, "build.yaml");
  await writeFile(path, text);
  return path;
}

export async function refused(work: Promise<unknown>, expected: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, expected);
    return true;
  });
}
