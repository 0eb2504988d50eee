import { BUILD_DRIVER } from "../lib/build/build-driver.ts";
import { clone, uncommittedIn } from "../lib/build/git/clone.ts";
import { buildStep, requireContainer } from "../lib/build/step.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const gitCloner = defineDriver({
  name: "git-cloner",
  ...BUILD_DRIVER,
  reconcile: buildStep(async (context, plan) => {
    const cloned = await clone(context, await requireContainer(context), plan);
    context.faultPoint("checked-out");
    const { commit } = cloned;
    return {
      success: true,
      message: `Checked out ${commit.slice(0, 12)}${uncommittedIn(context)}`,
      data: { ...cloned },
    };
  }),
});

if (import.meta.main) await main(gitCloner);
