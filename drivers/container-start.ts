import { startContainer } from "../lib/build/container.ts";
import { provideImage } from "../lib/build/image.ts";
import { BUILD_DRIVERS, BUILD_VERSION } from "../lib/build/pipeline.ts";
import { refusal } from "../lib/build/refusal.ts";
import { waitForRoom } from "../lib/build/room.ts";
import { settingsFor } from "../lib/build/settings-for.ts";
import { buildSpecSchema } from "../lib/build/spec-schema.ts";
import { buildStep } from "../lib/build/step.ts";
import { housekeepHost } from "../lib/build/housekeep-host.ts";
import { FLUTTER_BUILDER } from "../lib/build/spec.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const containerStart = defineDriver({
  name: "container-start",
  version: BUILD_VERSION,
  resources: [FLUTTER_BUILDER],
  pipeline: BUILD_DRIVERS,
  schema: buildSpecSchema,
  settingsFor,
  exclusive: true,
  admit: waitForRoom,
  refusal,
  housekeep: housekeepHost,
  reconcile: buildStep(async (context, { spec }) => {
    const { docker, run, settings: { host }, signal } = context;
    const [image, daemon] = await Promise.all([provideImage(context, spec), docker.info({ signal })]);
    const containerID = await startContainer(context, spec, image, daemon);
    return {
      success: true,
      message: `Started a container from ${spec.image}`,
      data: { containerID, host, run },
    };
  }),
});

if (import.meta.main) await main(containerStart);
