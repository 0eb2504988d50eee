import { InputError } from "../../base/errors.ts";
import { SIGNATURES_FLAG } from "../../build/signatures/flag.ts";
import { flagsOf } from "../../driver/program/policy-flags.ts";
import { readGitTokens } from "../../build/git/git-access.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { credentialHosts, gitTokenOf } from "../../build/git/git-token.ts";
import { parseRepository } from "../../build/repository.ts";
import { FLUTTER_BUILDER, parseBuildSpec } from "../../build/spec.ts";
import type { RunView } from "../../engine/core/run-view.ts";
import { json } from "../shared/api/call.ts";
import type { Drivers } from "../shared/drivers.ts";
import { secretsOf } from "../shared/request/secrets-of.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { openRuns, type Runs } from "../shared/runs/open-runs.ts";
import { resolveRun } from "../shared/runs/resolve-run.ts";
import type { RetryOptions } from "./retry-flags.ts";

/** Repeats a run where it ran before. Returns the exit code. Throws InputError and UnavailableError. */
export async function retry(
  text: string,
  { options, drivers }: { options: RetryOptions; drivers: Drivers },
): Promise<number> {
  let before: RunView;
  {
    await using opened = await openRuns(options, environment);
    const id = await resolveRun(opened.call, text);
    before = await json(await opened.call({ method: "GET", path: `/runs/${id}` })) as RunView;
    if (opened.api) return await retryThere(opened, before, options);
  }
  const { retryHere } = await import("./retry-here.ts");
  return await retryHere(before, { options, drivers });
}

async function retryThere({ call }: Runs, before: RunView, options: RetryOptions): Promise<number> {
  if (Object.keys(flagsOf(SIGNATURES_FLAG, options)).length > 0) {
    throw new InputError(
      '--verify-signatures: A control plane repeats a run as it was: expected no such flag, or "flutter-ci submit" with it',
    );
  }
  const secrets = await secretsFor(before, options);
  const { run } = await json(
    await call({ method: "POST", path: `/runs/${before.id}/retry`, body: { secrets } }),
  ) as { run: string };
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ run, retryOf: before.id })}\n`
      : `${run}\nFollow it with: ${commandFor("logs -f", run, options)}\n`,
  );
  return EXIT.ok;
}

/**
 * Returns the secrets that the build names, from the caller's environment, and the git tokens for its
 * repository.
 */
async function secretsFor(
  { resource, spec, operation }: RunView,
  { gitToken = [] }: RetryOptions,
): Promise<Record<string, string>> {
  if (resource.type !== FLUTTER_BUILDER || operation === "delete") return {};
  const parsed = parseBuildSpec(spec);
  if (!parsed.success) return {};
  const own = credentialHosts(parseRepository(parsed.data.repository));
  const tokens = Object.entries(await readGitTokens(gitToken));
  const wanted = tokens.filter(([host]) => parsed.data.submodules || own.includes(host));
  return {
    ...secretsOf(parsed.data.secrets, environment),
    ...Object.fromEntries(wanted.map(([host, token]) => [gitTokenOf(host), token])),
  };
}
