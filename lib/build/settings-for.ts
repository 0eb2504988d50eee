import type { Driver } from "../driver/driver.ts";
import { parseBuildSpec } from "./spec.ts";

/**
 * Less grace, log and artifacts where a build's spec asks for less. More is refused by the plan of its steps, and so is a
 * spec that makes no sense: the operator's settings hold for telling that.
 */
export const settingsFor: NonNullable<Driver["settingsFor"]> = ({ spec }, settings) => {
  const parsed = parseBuildSpec(spec);
  if (!parsed.success) return settings;
  const { grace, limits } = parsed.data;
  return {
    ...settings,
    graceMs: least(settings.graceMs, grace),
    maxLogBytes: least(settings.maxLogBytes, limits.log),
    maxArtifactBytes: least(settings.maxArtifactBytes, limits.artifacts),
  };
};

const least = (allowed: number, wanted: number | undefined): number => Math.min(allowed, wanted ?? allowed);
