import type { Plan } from "../plan.ts";
import type { BuildPolicy } from "../policy.ts";
import type { Signers } from "./parse.ts";

/**
 * Returns the sets of signers: the operator's, then the spec's. A commit needs a signature by one of each
 * set.
 */
export const signersOf = (
  plan: Pick<Plan, "signers">,
  policy: Pick<BuildPolicy, "signers">,
): readonly Signers[] => [policy.signers, plan.signers].filter((one) => one !== undefined);
