import { BUILD_DRIVER } from "../lib/build/build-driver.ts";
import { collectArtifacts } from "../lib/build/artifacts/collect.ts";
import { keepingOfFailed, reportsOf } from "../lib/build/artifacts/keep-of-failed.ts";
import { matchKeys } from "../lib/build/cache/key.ts";
import { runCommands } from "../lib/build/commands.ts";
import { listedCommands } from "../lib/build/show-command.ts";
import { buildStep, checkoutOf, requireContainer } from "../lib/build/step.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const builder = defineDriver({
  name: "builder",
  ...BUILD_DRIVER,
  reconcile: buildStep(async (context, plan) => {
    const container = await requireContainer(context);
    const caches = await matchKeys(context, container, plan);
    const { commands, artifacts, reports } = await keepingOfFailed(context, container, plan, async () => ({
      commands: await runCommands(context, container, plan, checkoutOf(context)),
      artifacts: await collectArtifacts(context, container, plan),
      reports: await reportsOf(context, container, plan),
    }));
    return {
      success: true,
      message: commands.length === 1 ? "Ran 1 command" : `Ran ${commands.length} commands`,
      data: {
        ...listedCommands(commands),
        ...reports,
        artifacts,
        ...Object.keys(caches).length > 0 && { caches },
      },
    };
  }),
});

if (import.meta.main) await main(builder);
