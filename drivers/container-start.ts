import { BUILD_DRIVER } from "../lib/build/build-driver.ts";
import { startContainer } from "../lib/build/container.ts";
import { provideImage } from "../lib/build/image.ts";
import { refusal } from "../lib/build/refusal.ts";
import { waitForRoom } from "../lib/build/room.ts";
import { provideServiceImages } from "../lib/build/services/start.ts";
import { buildStep } from "../lib/build/step.ts";
import { housekeepHost } from "../lib/build/housekeep-host.ts";
import { defineDriver, main } from "../lib/runtime.ts";

export const containerStart = defineDriver({
  name: "container-start",
  ...BUILD_DRIVER,
  admit: waitForRoom,
  refusal,
  housekeep: housekeepHost,
  reconcile: buildStep(async (context, plan) => {
    const { spec } = plan;
    const { docker, run, settings: { host }, signal } = context;
    await provideServiceImages(context, plan);
    const [image, daemon] = await Promise.all([provideImage(context, spec), docker.info({ signal })]);
    const containerID = await startContainer(context, plan, image, daemon);
    return {
      success: true,
      message: `Started a container from ${spec.image}`,
      data: { containerID, host, run },
    };
  }),
});

if (import.meta.main) await main(containerStart);
