import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { StepFailure } from "../../lib/base/errors.ts";
import { containerName, idleName, LABELS } from "../../lib/build/labels.ts";
import type { BuildContext, BuildPolicy } from "../../lib/build/policy.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";

/** All builds of one test file have one owner. */
export const settings = testSettings();

/** A repository with some files in it. */
export function repository(
  files: Record<string, string> = { "a.txt": "one\n" },
): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "app-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-qm", "one");
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

interface Build {
  /** Runs one driver on the build's resource, and answers its result or what it threw. */
  step(
    driver: Driver<BuildPolicy>,
    given?: Partial<BuildContext>,
  ): Promise<
    { result?: DriverResult; failure?: StepFailure; lines: string[]; artifacts: Map<string, Buffer> }
  >;
  /** The container's name from its first command on. */
  readonly container: string;
  /** Its name before that. */
  readonly idle: string;
  readonly run: string;
}

/** One build from its container to its end: whatever happens in between, nothing of it is left. */
export async function build(spec: object, work: (build: Build) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  const results: Record<string, DriverResult> = {};
  const run = crypto.randomUUID();
  const step: Build["step"] = async (driver, given = {}) => {
    const context = stepContext(docker, { image: TEST_IMAGE, repository: ".", ...spec }, {
      run,
      settings,
      results,
      ...given,
    });
    const outcome = await driver.reconcile(context).then(
      (result) => ({ result }),
      (error) => {
        if (error instanceof StepFailure) return { failure: error };
        throw error;
      },
    );
    if ("result" in outcome) results[driver.name] = outcome.result;
    return { ...outcome, lines: await context.lines(), artifacts: context.artifacts };
  };
  try {
    await work({ step, container: containerName(run), idle: idleName(run), run });
  } finally {
    await step(containerStop);
    const ours = { [LABELS.owner]: settings.owner, [LABELS.run]: run };
    assert.deepEqual(await docker.list(ours), []);
    assert.deepEqual(await docker.volumes(ours), []);
  }
}

/** A build up to its checkout. */
export async function checkedOut(spec: object, work: (build: Build) => Promise<void>): Promise<void> {
  using app = repository();
  await build({ repository: app.path, ...spec }, async (made) => {
    assert.ok((await made.step(containerStart)).result?.success);
    assert.ok((await made.step(gitCloner)).result?.success);
    await work(made);
  });
}
