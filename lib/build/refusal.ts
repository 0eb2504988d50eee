import { StepFailure } from "../base/errors.ts";
import type { Driver } from "../driver/driver.ts";
import { findImage } from "./image.ts";
import type { BuildPolicy } from "./policy.ts";
import { planUnrefused } from "./step.ts";

/**
 * Returns why container-start would refuse a resource from a Conveyor server, regardless of free room.
 * Undefined if it would accept it.
 */
export async function refusal(
  { resource, event, docker, settings, policy, signal }: Asked,
): Promise<StepFailure | undefined> {
  if (event === "delete") return undefined;
  try {
    const { spec } = planUnrefused({ claimed: false, resource, settings, policy });
    await findImage(docker, { ...spec, signal });
    return undefined;
  } catch (error) {
    if (error instanceof StepFailure) return error;
    throw error;
  }
}

type Asked = Parameters<NonNullable<Driver<BuildPolicy>["refusal"]>>[0];
