/** The limits of a build as its user checks them: an operator has others. */
export const NO_LIMITS = {
  allowImages: [],
  allowKeep: true,
  maxCpus: undefined,
  maxMemory: undefined,
  maxTimeoutMs: undefined,
  maxLogBytes: Infinity,
  maxArtifactBytes: Infinity,
  graceMs: Infinity,
};

/** Allows whatever the spec asks for: the drivers' operator decides. */
export function othersToAllow({ env, network }: Record<string, unknown>) {
  const wanted = (Array.isArray(env) ? env : []).map((entry): unknown => entry?.valueFrom)
    .filter((name) => typeof name === "string");
  return {
    allowNetworks: typeof network === "string" ? [network] : [],
    allowEnv: wanted,
    allowPrivileged: true,
    environment: Object.fromEntries(wanted.map((name) => [name, ""])),
  };
}
