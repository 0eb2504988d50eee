import type { Driver } from "../driver/driver.ts";
import { parseBuildSpec } from "./spec.ts";

/**
 * Returns the settings, with lower limits for grace, log and artifacts if a build's spec asks for less. A
 * spec that asks for more, or is invalid, keeps the operator's settings: the plan of its steps refuses it.
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
