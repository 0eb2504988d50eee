import { StepFailure } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import type { Reason } from "../../wire/reasons.ts";
import type { Plan } from "../plan.ts";
import type { BuildPolicy } from "../policy.ts";
import { type CloneFacts, parseFacts } from "./clone-facts.ts";
import { CLONE_EXIT } from "./clone-script.ts";

/** HTTP statuses for a repository that does not exist or is not accessible. */
const REFUSALS = [401, 403, 404, 410];
/** ssh's own exit code. Any other code comes from the command on the server. */
const SSH_FAILED = 255;

/** Returns the step's failure for the script's exit code and output. `image` is the image that cloned. */
export function cloneFailure(
  code: number,
  said: string,
  { plan: { spec, repository }, image, signers }: {
    plan: Plan;
    image: string;
    signers?: BuildPolicy["signers"];
  },
): StepFailure {
  const facts = parseFacts(said);
  const git = facts.errors[0]?.message.split("\n")[0];
  const fail: Fail = (reason, message, detail) =>
    new StepFailure(detail === undefined ? message : `${message}: ${detail}`, {
      reason,
      data: { exitCode: code },
    });
  if (facts.lacksHttps) {
    return fail(
      "image-unusable",
      `The git of the image "${image}" has no part for https (git-remote-https)`,
    );
  }
  if (facts.isDiskFull) return fail("disk-full", "The disk is full", git);
  switch (code) {
    case CLONE_EXIT.noGit:
      return fail(
        "image-unusable",
        `The image "${image}" has no git: use one that has, or install it in the image (for example: apt-get install git)`,
      );
    case CLONE_EXIT.noSsh:
      return fail(
        "image-unusable",
        `The image "${image}" has no ssh, which ${whatNeedsSsh(facts)} needs`,
      );
    case CLONE_EXIT.workspace:
      return fail("clone-failed", "Cannot prepare the workspace", git);
    case CLONE_EXIT.ref:
      return fail("ref-not-found", `The repository has no branch, tag or commit "${spec.ref}"`);
    case CLONE_EXIT.empty:
      return fail("ref-not-found", "The repository has no commit at its HEAD");
    case CLONE_EXIT.checkout:
      return fail("clone-failed", "Cannot check out", git);
    case CLONE_EXIT.noLfs:
      return fail(
        "image-unusable",
        `The image "${image}" has no git-lfs, which spec.lfs (--lfs) needs: use one that has, or install it in the image (for example: apt-get install git-lfs)`,
      );
    case CLONE_EXIT.lfs:
      return fail("clone-failed", lfsFailure(facts), whyHostKey(facts) ?? whyNoContent(facts) ?? git);
    case CLONE_EXIT.unsigned:
    case CLONE_EXIT.unverified:
      return fail("not-signed", whyNotSigned(facts, signers !== undefined));
    case CLONE_EXIT.noTool:
      return fail("image-unusable", whatSignatureLacks(facts, image));
    case CLONE_EXIT.submodules:
      return submoduleFailure(facts, fail, { git, isLocal: repository.kind === "local" });
    default: {
      const hostKey = whyHostKey(facts);
      if (hostKey !== undefined) return fail("clone-failed", `Cannot clone "${spec.repository}"`, hostKey);
      return isRefused(facts)
        ? fail("repository-not-found", `Cannot read the repository "${spec.repository}"`, git)
        : fail("clone-failed", `Cannot clone "${spec.repository}"`, git);
    }
  }
}

type Fail = (reason: Reason, message: string, detail?: string) => StepFailure;

function submoduleFailure(
  facts: CloneFacts,
  fail: Fail,
  { git, isLocal }: { git: string | undefined; isLocal: boolean },
): StepFailure {
  if (!facts.submodule) return fail("clone-failed", "Cannot get the submodules", git);
  const { path, url, says } = facts.submodule;
  const what = `Cannot get the submodule ${JSON.stringify(path)} from ${JSON.stringify(url)}`;
  if (isLocal && /^\.\.?\//.test(says) && !/^(?:https|ssh):|^[^/]*@/.test(url)) {
    return fail(
      "clone-failed",
      `Cannot get the submodule ${JSON.stringify(path)} from ${JSON.stringify(says)}`,
      "the URL is relative to the repository's origin, which is not an https or ssh URL here",
    );
  }
  const hostKey = whyHostKey(facts);
  if (hostKey !== undefined) return fail("clone-failed", what, hostKey);
  return fail(isRefused(facts) ? "repository-not-found" : "clone-failed", what, git);
}

/** `isOperators`: whether the operator asks for a signature, whose set of signers is then the first. */
function whyNotSigned(
  { signature: { unsigned, unverified = "", by } }: CloneFacts,
  isOperators: boolean,
): string {
  const who = isOperators && by === 0 ? "--verify-signatures" : "spec.verifySignatures";
  return unsigned === undefined
    ? `The commit ${unverified.slice(0, 12)} has no signature of a key in ${who} that git accepts`
    : `The commit ${unsigned.slice(0, 12)} is not signed, which ${who} asks for`;
}

function whatSignatureLacks({ signature: { tool } }: CloneFacts, image: string): string {
  switch (tool) {
    case "user":
      return `The build's user has no name in the image "${image}", which ssh-keygen needs to check a signature`;
    case undefined:
      return `The gpg of the image "${image}" does not take the keys that sign commits`;
    default:
      return `The image "${image}" has no ${tool}, which the signature of the commit needs: use one that has, or a --git-image of the operator`;
  }
}

function lfsFailure({ lfs }: CloneFacts): string {
  const what = "Cannot get the files of Git LFS";
  if (lfs.url === undefined) return what;
  return lfs.url === ""
    ? `${what}: the repository came from no https or ssh URL`
    : `${what} from ${JSON.stringify(lfs.url)}`;
}

/** Returns which command has failed, what is missing, and what that command said at its end. */
function whyNoContent({ lfs: { failed, missing, said } }: CloneFacts): string | undefined {
  if (!failed) return undefined;
  const parts = [`"${failed.command}" exited with ${failed.code}`];
  if (missing) {
    const which = `${missing.count} of ${counted(missing.of, "file")}`;
    parts.push(
      `${which} has no content here${missing.name === "" ? "" : `, such as ${JSON.stringify(missing.name)}`}`,
    );
  }
  if (said.length > 0) parts.push(`its last lines were: ${said.join(" | ")}`);
  return parts.join("; ");
}

function whatNeedsSsh({ submodule }: CloneFacts): string {
  return submodule
    ? `the submodule ${JSON.stringify(submodule.path)} from ${JSON.stringify(submodule.url)}`
    : "this repository's URL";
}

/** Whether the server answered that the repository does not exist or needs another login. */
function isRefused({ http, ssh, host }: CloneFacts): boolean {
  if (ssh === SSH_FAILED) return host !== undefined && host.offers.length > 0;
  if (ssh !== undefined) return ssh !== 0;
  return http !== undefined && http.path.includes("/info/refs") && REFUSALS.includes(http.status);
}

/** Returns why ssh rejects the host's key. Undefined if it accepts the key or has not got that far. */
function whyHostKey({ ssh, host }: CloneFacts): string | undefined {
  if (ssh !== SSH_FAILED || !host) return undefined;
  const { name, port, known, offers } = host;
  const scan = `ssh-keyscan ${port === "22" ? "" : `-p ${port} `}${name}`;
  if (known.length === 0) {
    const line = offers.find((line) => line.includes(" ssh-ed25519 ")) ?? offers[0];
    const what = line === undefined ? `what "${scan}" prints` : `this line: ${line}`;
    return `The host key of "${name}" is not known; compare it with what the host's owner says, then add to a file for ` +
      `--git-known-hosts ${what}`;
  }
  if (offers.length === 0 || known.some((line) => line.startsWith("@cert-authority"))) return undefined;
  const keys = new Set(known.map(keyOf));
  if (offers.some((line) => keys.has(keyOf(line)))) return undefined;
  return `"${name}" shows another host key than the one that is known: somebody may be in between, or the host has a new key. ` +
    `Compare what "${scan}" prints with what the host's owner says`;
}

/** Returns the type and key of a known_hosts line. */
function keyOf(line: string): string {
  return line.split(" ").filter((word) => !word.startsWith("@")).slice(1, 3).join(" ");
}
