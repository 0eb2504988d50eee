import { StepFailure } from "../../base/errors.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import type { Context } from "../../driver/driver.ts";
import { endProcesses } from "../../driver/end-processes.ts";
import { exec } from "../../driver/exec.ts";
import type { Reason } from "../../wire/reasons.ts";
import { buildUser } from "../labels.ts";
import { type Plan, WORKSPACE } from "../plan.ts";
import type { Checkout } from "../step.ts";
import { CLONE_EXIT, CLONE_SCRIPT, cloneConfig } from "./clone-script.ts";
import { gitTokenOf } from "./git-token.ts";
import { type LocalStream, localStream } from "./local-stream.ts";

/** The script's last words. */
const CHECKED_OUT = /^commit=([0-9a-f]{40,64})\nref=(.*)\n$/m;
/** Of git's last lines, those that say why it failed. */
const TELLING_LINES = 20;

/**
 * Clones a plan's repository into the container's empty workspace, as the build's user. git runs in the container only.
 * Throws StepFailure `image-unusable`, `repository-not-found`, `ref-not-found`, `clone-failed`, `disk-full`.
 */
export async function clone(context: Context, container: ContainerInfo, plan: Plan): Promise<Checkout> {
  const { spec, repository } = plan;
  await endEarlierAttempt(context, container);
  const local = repository.kind === "local" ? await localStream(context, plan, repository.path) : undefined;
  await context.log.line(`Cloning ${spec.repository}${spec.ref === undefined ? "" : ` at ${spec.ref}`}`);
  const said: string[] = [];
  const code = await runScript(context, container, plan, { local, said });
  if (code !== 0) throw failure(code, context, plan);
  const [, commit, ref] = CHECKED_OUT.exec(said.join("")) ?? [];
  if (commit !== undefined && ref !== undefined) return { commit, ref };
  throw new StepFailure("The clone ended without saying what it had checked out", { reason: "clone-failed" });
}

/** What an earlier attempt began goes on in the container without it, and would write into the same workspace. */
async function endEarlierAttempt(context: Context, { id }: ContainerInfo): Promise<void> {
  const { docker, attempt, settings: { graceMs } } = context;
  if (attempt === 1) return;
  await context.cleanup((signal) => endProcesses(docker, id, { graceMs, signal }));
}

/** Returns the script's exit code. A local repository comes on its stdin. */
async function runScript(
  context: Context,
  container: ContainerInfo,
  plan: Plan,
  { local, said }: { local: LocalStream | undefined; said: string[] },
): Promise<number> {
  const { spec, repository } = plan;
  return await exec(context, container.id, {
    command: ["/bin/sh", "-c", CLONE_SCRIPT],
    workdir: WORKSPACE,
    ...buildUser(container),
    env: {
      LOCAL: local ? "1" : "",
      URL: repository.kind === "local" ? "" : repository.url,
      REF: local ? local.ref : spec.ref ?? "",
      DEPTH: String(spec.depth),
      SUBMODULES: spec.submodules ? "1" : "",
      ...credentials(context, plan),
    },
    ...local && { stdin: local.stream },
    intercept: ({ stream, data }) => {
      if (stream === "stderr") return false;
      said.push(Buffer.from(data).toString("utf8"));
      return true;
    },
  });
}

/** The token for the repository's host, of the run itself or of the operator: no other one leaves this process. */
function credentials({ settings, secrets }: Context, { repository }: Plan): Record<string, string> {
  if (repository.kind === "local") return { CONVEYOR_GIT_CONFIG: cloneConfig("file", undefined) };
  const { protocol, host, url } = repository;
  const token = secrets[gitTokenOf(host)] ?? settings.gitTokens[host];
  if (token === undefined) return { CONVEYOR_GIT_CONFIG: cloneConfig(protocol, undefined) };
  return protocol === "ssh"
    ? { CONVEYOR_GIT_CONFIG: cloneConfig(protocol, undefined), CONVEYOR_SSH_KEY: token }
    // git tells ports of a host apart: it is the repository's own that gets the token.
    : { CONVEYOR_GIT_CONFIG: cloneConfig(protocol, new URL(url).host), CONVEYOR_GIT_TOKEN: token };
}

function failure(code: number, { log }: Context, { spec }: Plan): StepFailure {
  const said = log.recent(TELLING_LINES).join("\n");
  const lastLine = log.recent(TELLING_LINES).findLast((line) => /^(?:fatal|error): /.test(line));
  const fail = (reason: Reason, message: string) =>
    new StepFailure(lastLine === undefined ? message : `${message}: ${lastLine}`, {
      reason,
      data: { exitCode: code },
    });
  if (/No space left on device/i.test(said)) return fail("disk-full", "The disk is full");
  switch (code) {
    case CLONE_EXIT.noGit:
      return new StepFailure(
        `The image "${spec.image}" has no git: use one that has, or install it in the image (for example: apt-get install git)`,
        { reason: "image-unusable" },
      );
    case CLONE_EXIT.noSsh:
      return new StepFailure(`The image "${spec.image}" has no ssh, which this repository's URL needs`, {
        reason: "image-unusable",
      });
    case CLONE_EXIT.ref:
      return fail("ref-not-found", `The repository has no branch, tag or commit "${spec.ref}"`);
    case CLONE_EXIT.empty:
      return fail("ref-not-found", "The repository has no commit at its HEAD");
    case CLONE_EXIT.submodules:
      return fail("clone-failed", "Cannot get the submodules");
    case CLONE_EXIT.checkout:
      return fail("clone-failed", "Cannot check out");
    default:
      return isUnknownRepository(said)
        ? fail("repository-not-found", `Cannot read the repository "${spec.repository}"`)
        : fail("clone-failed", `Cannot clone "${spec.repository}"`);
  }
}

function isUnknownRepository(said: string): boolean {
  return /authentication failed|could not read (?:username|password|from remote)|repository .*not found|does not (?:exist|appear to be a git repository)|permission denied \(publickey/i
    .test(said);
}
