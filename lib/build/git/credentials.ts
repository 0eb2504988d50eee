import { StepFailure } from "../../base/errors.ts";
import type { BuildContext } from "../policy.ts";
import type { Plan } from "../plan.ts";
import { credentialHosts, gitTokenOf } from "./git-token.ts";

/** A credential for the private repositories of one host. */
export interface Credential {
  /** `host`, or `host:port` if it is for that port only. */
  readonly host: string;
  /** A token is for https, a private key for ssh. */
  readonly kind: "token" | "key";
  readonly secret: string;
}

/** The credentials for a clone, and the image that is trusted with them. */
export interface Credentials {
  readonly all: readonly Credential[];
  /** Undefined without credentials: then the build's own container clones. */
  readonly image: string | undefined;
  /** Whether some are the run's own, and not the operator's. */
  readonly hasOwn: boolean;
  /** Whether some are the operator's. */
  readonly hasOperators: boolean;
}

/**
 * Returns the credentials for a plan's clone: for the repository's host, and with submodules, or files of Git
 * LFS of a local repository, for every host. The run's own take precedence over the operator's. Only an image
 * that the operator chose (`--git-image` or `--allow-image`) gets the operator's credentials. Without such an
 * image, throws StepFailure `invalid-spec` if the repository needs one, and otherwise logs which ones are not
 * used.
 */
export async function credentialsFor(context: BuildContext, plan: Plan): Promise<Credentials> {
  const { policy, secrets, log } = context;
  const { repository, spec } = plan;
  const own = credentialHosts(repository);
  const ofRun = new Map(
    Object.entries(secrets).flatMap(([name, secret]) => {
      const host = hostOf(name);
      return host === undefined ? [] : [[host, secret] as const];
    }),
  );
  const ofOperator = new Map(Object.entries(policy.gitTokens).filter(([host]) => !ofRun.has(host)));
  const hasOthers = spec.submodules || (spec.lfs && repository.kind === "local");
  const isWanted = (host: string) => own.includes(host) || hasOthers;
  const isTrusted = policy.gitImage !== undefined || policy.allowImages.length > 0;
  const wanted = [...ofOperator.keys()].filter(isWanted);
  const needed = own.find((host) => ofOperator.has(host));
  if (!isTrusted && needed !== undefined) {
    throw new StepFailure(
      `The credential for "${needed}" is not given to the image "${spec.image}", which the command line does not name: ` +
        "expected --git-image IMAGE with git in it, or the build's image named there (--image of run, --allow-image of a driver)",
      { reason: "invalid-spec" },
    );
  }
  if (!isTrusted && wanted.length > 0) {
    await log.line(
      `The credentials for ${wanted.join(", ")} are not used: the command line names neither the image ` +
        `"${spec.image}" nor a --git-image`,
    );
  }
  const all = [...ofRun, ...isTrusted ? ofOperator : []]
    .filter(([host]) => isWanted(host))
    .map(([host, secret]) => ({ host, secret, kind: kindOf(secret) }));
  const image = all.length === 0 ? undefined : policy.gitImage ?? spec.image;
  const hasOwn = all.some(({ host }) => ofRun.has(host));
  return { all, image, hasOwn, hasOperators: all.some(({ host }) => !ofRun.has(host)) };
}

const PREFIX = gitTokenOf("");

function hostOf(secret: string): string | undefined {
  return secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : undefined;
}

function kindOf(secret: string): Credential["kind"] {
  return secret.startsWith("-----BEGIN ") ? "key" : "token";
}
