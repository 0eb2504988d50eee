import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { type Authorities, joinAuthorities, shownAuthorities } from "./parse.ts";

/**
 * Returns the authorities that git trusts in a clone beside the image's. With an operator's credential only
 * the operator's: who submits a build could name a service of it like the credential's host, and have an
 * authority of their own vouch for it. Logs whom git trusts, unless nothing is fetched.
 */
export async function gitAuthorities(
  { policy, log }: Pick<BuildContext, "policy" | "log">,
  { authorities: ofSpec, repository, spec }: Plan,
  { hasOperators }: { hasOperators: boolean },
): Promise<Authorities | undefined> {
  if (repository.kind === "local" && !spec.submodules && !spec.lfs) return undefined;
  if (hasOperators && ofSpec) {
    await log.line(
      `The authorities of spec.ca, ${
        shownAuthorities(ofSpec)
      }, are not used to clone: an operator's credential goes only to hosts that the operator's own authorities vouch for`,
    );
  }
  const all = joinAuthorities(policy.authorities, hasOperators ? undefined : ofSpec);
  if (all) await log.line(`git trusts ${shownAuthorities(all)} beside the image's certificate authorities`);
  return all;
}
