import type { Plan } from "../plan.ts";
import type { BuildPolicy } from "../policy.ts";
import type { Signers } from "./parse.ts";

/** Returns the sets of signers of which a commit needs one each: first the operator's, then the spec's. */
export const signersOf = (
  plan: Pick<Plan, "signers">,
  policy: Pick<BuildPolicy, "signers">,
): readonly Signers[] => [policy.signers, plan.signers].filter((one) => one !== undefined);
