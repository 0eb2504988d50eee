import { StepFailure } from "../../base/errors.ts";
import { readAhead } from "../../base/read-ahead.ts";
import { counted } from "../../base/units.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { BoundedText } from "../../driver/work/bounded-text.ts";
import type { BuildContext, LocalStream } from "../policy.ts";
import { endProcesses } from "../../driver/work/end-processes.ts";
import { exec } from "../../driver/work/exec.ts";
import { buildUser } from "../labels.ts";
import { saysWhatToRun } from "../own-file.ts";
import { type Plan, WORKSPACE } from "../plan.ts";
import { proxiesOf, sayProxies } from "../proxies.ts";
import type { Signers } from "../signatures/parse.ts";
import { signersOf } from "../signatures/signers-of.ts";
import type { Checkout } from "../step.ts";
import type { Authorities } from "../authorities/parse.ts";
import { gitAuthorities } from "../authorities/for-git.ts";
import { cloneNeedsNetwork } from "./clone-needs-network.ts";
import { cloneFailure } from "./clone-failure.ts";
import { CLONE_SCRIPT } from "./clone-script.ts";
import { type Credential, credentialsFor } from "./credentials.ts";
import { cleanEnvironment } from "./environment.ts";
import { inGitContainer, READY_FOLDER } from "./git-container.ts";
import { MIRROR_LEAST_KIB, mirrorFolder } from "./mirror.ts";
import { encodeFiles, privateFiles } from "./private-files.ts";

/** The last lines of the script's output. */
const CHECKED_OUT = /^commit=([0-9a-f]{40,64})\nref=(.*)\n$/m;
/** What became of the repository's mirror. */
const MIRRORED = /^mirror=(changed|used)$/m;
/** Who signed the commit. */
const SIGNER = /^signer=(.*)$/m;
/** The repository's own file that says how to build it. */
const OWN_FILE = /^own-file=(.*)$/m;
/** Limit for the script's output, far above what it prints: the image's git may print anything. */
const MAX_SAID_BYTES = 256 * 1024;

/** Where a clone runs. */
interface Place {
  readonly container: ContainerInfo;
  readonly user: string;
  readonly image: string;
  /** A folder that exists once the container is ready. */
  readonly ready?: string;
}

/**
 * Clones a plan's repository into the build container's empty workspace, as the build's user. git runs in
 * containers only: with credentials in a container of its own, otherwise in the build's. Throws StepFailure
 * `image-unusable`, `repository-not-found`, `ref-not-found`, `clone-failed`, `disk-full`, `invalid-spec`, and
 * those of `inGitContainer`.
 */
export async function clone(context: BuildContext, build: ContainerInfo, plan: Plan): Promise<Cloned> {
  const { spec, repository } = plan;
  await endEarlierAttempt(context, build);
  const local = await localOf(context, plan);
  const { all, image: trusted, hasOwn, hasOperators } = await credentialsFor(context, plan);
  // If the operator asks for signatures, the operator's own image checks them.
  const image = trusted ?? (context.policy.signers ? context.policy.gitImage : undefined);
  const signers = signersOf(plan, context.policy);
  const authorities = await gitAuthorities(context, plan, { hasOperators });
  // container-start may not know of the signers, and may have mounted a mirror.
  const mirror = repository.kind === "local" || signers.length > 0
    ? ""
    : mirrorFolder(build, { hasCredentials: trusted !== undefined, hasOwnCredentials: hasOwn });
  const what = `Cloning ${spec.repository}${spec.ref === undefined ? "" : ` at ${spec.ref}`}${
    uncommittedIn(context)
  }`;
  const input = { plan, local, all, authorities, signers, mirror };
  if (image === undefined) {
    await context.log.line(what);
    return await cloneIn(context, { container: build, ...buildUser(build), image: spec.image }, input);
  }
  const hosts = all.map(({ host }) => host).join(", ");
  await context.log.line(
    `${what}, in a container of its own from ${image}${hosts && ` with the credentials for ${hosts}`}`,
  );
  // The clone needs no grace period: its container is killed.
  const hurried = { ...context, settings: { ...context.settings, graceMs: 0 } };
  return await inGitContainer(
    context,
    build,
    { plan, image },
    async (git) => await cloneIn(hurried, { ...git, image, ready: READY_FOLDER }, input),
  );
}

async function localOf({ policy, signal }: BuildContext, plan: Plan): Promise<LocalStream | undefined> {
  const { spec, repository } = plan;
  if (repository.kind !== "local") return undefined;
  if (!policy.readLocal) {
    throw new TypeError("The policy allows local repositories, but has no way to read one");
  }
  return await policy.readLocal(repository.path, { policy, spec, signal });
}

/** What is said of a build of the working tree; empty for any other. */
export function uncommittedIn({ policy }: Pick<BuildContext, "policy">): string {
  const { commit, workTree } = policy.localCommit ?? {};
  if (commit === undefined || workTree === undefined) return "";
  const changes = counted(workTree.changes, "uncommitted file");
  return `: the working tree, with ${changes}, as the commit ${commit.slice(0, 12)}`;
}

/** Ends the processes of an earlier attempt: they would keep writing into the workspace. */
async function endEarlierAttempt(context: BuildContext, { id }: ContainerInfo): Promise<void> {
  const { docker, attempt, settings: { graceMs } } = context;
  if (attempt === 1) return;
  await context.cleanup((signal) => endProcesses(docker, id, { graceMs, signal }));
}

/** A checkout, and whether the repository's mirror was added to (`changed`) or only `used`. */
export interface Cloned extends Checkout {
  readonly mirror?: string;
  /** Who signed the commit, and with which key, if it had to be signed. */
  readonly signer?: string;
}

interface Input {
  readonly plan: Plan;
  readonly local: LocalStream | undefined;
  readonly all: readonly Credential[];
  /** Authorities that git trusts beside the image's. */
  readonly authorities: Authorities | undefined;
  /** Whose signatures the commit needs: one of each. */
  readonly signers: readonly Signers[];
  /** The folder of the repository's mirror; empty if there is none. */
  readonly mirror: string;
}

async function cloneIn(context: BuildContext, place: Place, input: Input): Promise<Cloned> {
  const { plan } = input;
  const { code, said } = await runScript(context, place, input);
  if (code !== 0) {
    throw cloneFailure(code, said, { plan, image: place.image, signers: context.policy.signers });
  }
  const [, commit, ref] = CHECKED_OUT.exec(said) ?? [];
  const mirrored = MIRRORED.exec(said)?.[1];
  const signer = input.signers.length === 0 ? undefined : SIGNER.exec(said)?.[1];
  if (signer !== undefined) await context.log.line(`The commit is signed by ${signer}`);
  await sayUnread(context, plan, OWN_FILE.exec(said)?.[1]);
  if (commit !== undefined && ref !== undefined && (input.signers.length === 0 || signer !== undefined)) {
    return {
      commit,
      ref,
      ...mirrored !== undefined && { mirror: mirrored },
      ...signer !== undefined && { signer },
    };
  }
  throw new StepFailure("The clone ended without saying what it had checked out", { reason: "clone-failed" });
}

/** Logs that a remote repository's file was not read, if nothing else says how to build it. */
async function sayUnread(
  { log, resource: { spec } }: BuildContext,
  { repository }: Plan,
  name: string | undefined,
): Promise<void> {
  if (name === undefined || repository.kind === "local" || typeof spec !== "object" || spec === null) return;
  if (saysWhatToRun(spec as Record<string, unknown>)) return;
  await log.line(
    `The repository has a ${name}, which is not read: "flutter-ci run" reads it where it builds a folder, or if it is named with -f ${name}`,
  );
}

/** Runs the clone script and returns its exit code and output. A local repository is sent on its stdin. */
async function runScript(
  context: BuildContext,
  { container, user, image, ready = "/" }: Place,
  { plan, local, all, authorities, signers, mirror }: Input,
): Promise<{ code: number; said: string }> {
  const { spec, repository, env } = plan;
  const proxies = proxiesOf(context, { env });
  const needsNetwork = cloneNeedsNetwork(plan);
  if (needsNetwork) await sayProxies(context, "git", proxies);
  const files = privateFiles({
    protocol: repository.kind === "local" ? "https" : repository.protocol,
    authority: authorityOf(repository.kind === "remote" ? repository.url : local?.origin),
    credentials: all,
    knownHosts: context.policy.gitKnownHosts,
    authorities: authorities?.pem,
    signers,
  });
  const said = new BoundedText(MAX_SAID_BYTES);
  // Its objects are looked up while the script starts.
  await using sent = local && readAhead(local.stream);
  const code = await exec(context, container.id, {
    command: ["/bin/sh", "-c", CLONE_SCRIPT],
    workdir: WORKSPACE,
    user,
    offline: !needsNetwork,
    env: {
      ...cleanEnvironment(container),
      ...proxies,
      READY: ready,
      LOCAL: local ? "1" : "",
      URL: repository.kind === "local" ? "" : repository.url,
      REF: local ? local.ref : spec.ref ?? "",
      DEPTH: String(spec.depth),
      SUBMODULES: spec.submodules ? "1" : "",
      LFS: spec.lfs ? "1" : "",
      SPARSE: spec.sparse.join("\n"),
      SIGNERS: [...signers.keys()].join(" "),
      ORIGIN: local?.origin ?? "",
      MIRROR: mirror,
      MIRROR_LEAST: String(MIRROR_LEAST_KIB),
    },
    stdin: concatenated(encodeFiles(files), sent),
    intercept: ({ stream, data }) => {
      if (stream === "stderr") return false;
      said.add(data);
      if (!said.isCut) return true;
      throw new StepFailure(
        `The git of the image "${image}" writes where only the clone script does, more than ${MAX_SAID_BYTES} bytes`,
        { reason: "image-unusable" },
      );
    },
  });
  return { code, said: said.text() };
}

/** Returns `host` or `host:port` of an https URL; undefined for any other. */
const authorityOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) && new URL(url).protocol === "https:"
    ? new URL(url).host
    : undefined;

async function* concatenated(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  yield first;
  if (rest) yield* rest;
}
