import { BUILD_DRIVERS, BUILD_VERSION } from "./pipeline.ts";
import type { BuildPolicy } from "./policy.ts";
import { BUILD_POLICY } from "./policy-flags.ts";
import { settingsFor } from "./settings-for.ts";
import { buildSpecSchema } from "./spec-schema.ts";
import { FLUTTER_BUILDER } from "./spec.ts";

/** The definition that the four build drivers share. */
export const BUILD_DRIVER = {
  version: BUILD_VERSION,
  resources: [FLUTTER_BUILDER],
  pipeline: BUILD_DRIVERS,
  schema: buildSpecSchema,
  policy: BUILD_POLICY,
  secretsIn: ({ gitTokens }: BuildPolicy) => gitTokens,
  settingsFor,
  exclusive: true,
};
