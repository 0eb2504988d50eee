import { BUILD_DRIVERS, BUILD_VERSION } from "../lib/build/pipeline.ts";
import { settingsFor } from "../lib/build/settings-for.ts";
import { buildSpecSchema } from "../lib/build/spec-schema.ts";
import { stopContainer } from "../lib/build/stop.ts";
import { FLUTTER_BUILDER } from "../lib/build/spec.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const containerStop = defineDriver({
  name: "container-stop",
  version: BUILD_VERSION,
  resources: [FLUTTER_BUILDER],
  pipeline: BUILD_DRIVERS,
  schema: buildSpecSchema,
  settingsFor,
  exclusive: true,
  reconcile: stopContainer,
});

if (import.meta.main) await main(containerStop);
