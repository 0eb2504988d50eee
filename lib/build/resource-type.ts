import { BUILD_PIPELINE } from "./pipeline.ts";
import { BuildSpec, FLUTTER_BUILDER } from "./spec.ts";

/** The build resource type, as registered with a control plane. */
export const BUILD_RESOURCE = {
  name: FLUTTER_BUILDER,
  pipeline: BUILD_PIPELINE,
  spec: BuildSpec,
  followsFrom: ({ timeout, restart, secrets }: BuildSpec) => ({
    timeoutMs: timeout,
    restarts: restart,
    secrets,
  }),
};
