import { StepFailure } from "../base/errors.ts";
import type { Driver } from "../driver/driver.ts";
import { findImage } from "./image.ts";
import { planUnrefused } from "./step.ts";

/** Why container-start would refuse a resource from a Conveyor server, whatever room there is; undefined where it would not. */
export const refusal: NonNullable<Driver["refusal"]> = async (
  { resource, event, docker, settings, signal },
) => {
  if (event === "delete") return undefined;
  try {
    const { spec } = planUnrefused({ claimed: false, resource, settings });
    await findImage(docker, { ...spec, signal });
    return undefined;
  } catch (error) {
    if (error instanceof StepFailure) return error;
    throw error;
  }
};
