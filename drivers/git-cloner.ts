import { clone } from "../lib/build/git/clone.ts";
import { BUILD_DRIVERS, BUILD_VERSION } from "../lib/build/pipeline.ts";
import { settingsFor } from "../lib/build/settings-for.ts";
import { buildSpecSchema } from "../lib/build/spec-schema.ts";
import { buildStep, requireContainer } from "../lib/build/step.ts";
import { FLUTTER_BUILDER } from "../lib/build/spec.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const gitCloner = defineDriver({
  name: "git-cloner",
  version: BUILD_VERSION,
  resources: [FLUTTER_BUILDER],
  pipeline: BUILD_DRIVERS,
  schema: buildSpecSchema,
  settingsFor,
  exclusive: true,
  reconcile: buildStep(async (context, plan) => {
    const { commit, ref } = await clone(context, await requireContainer(context), plan);
    context.faultPoint("checked-out");
    return { success: true, message: `Checked out ${commit.slice(0, 12)}`, data: { commit, ref } };
  }),
});

if (import.meta.main) await main(gitCloner);
