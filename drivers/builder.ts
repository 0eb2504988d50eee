import { collectArtifacts } from "../lib/build/artifacts/collect.ts";
import { runCommands } from "../lib/build/commands.ts";
import { BUILD_DRIVERS, BUILD_VERSION } from "../lib/build/pipeline.ts";
import { settingsFor } from "../lib/build/settings-for.ts";
import { listedCommands } from "../lib/build/show-command.ts";
import { buildSpecSchema } from "../lib/build/spec-schema.ts";
import { buildStep, checkoutOf, requireContainer } from "../lib/build/step.ts";
import { FLUTTER_BUILDER } from "../lib/build/spec.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const builder = defineDriver({
  name: "builder",
  version: BUILD_VERSION,
  resources: [FLUTTER_BUILDER],
  pipeline: BUILD_DRIVERS,
  schema: buildSpecSchema,
  settingsFor,
  exclusive: true,
  reconcile: buildStep(async (context, plan) => {
    const container = await requireContainer(context);
    const commands = await runCommands(context, container, plan, checkoutOf(context));
    const artifacts = await collectArtifacts(context, container, plan);
    return {
      success: true,
      message: commands.length === 1 ? "Ran 1 command" : `Ran ${commands.length} commands`,
      data: { ...listedCommands(commands), artifacts },
    };
  }),
});

if (import.meta.main) await main(builder);
