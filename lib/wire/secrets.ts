/** Secrets of a run by name. */
export type Secrets = Readonly<Record<string, string>>;

/**
 * Returns the name of a secret for one driver only; no other step gets it. A variable's name has no colon, so
 * the two never collide.
 */
export const secretFor = (driver: string, name: string): string => `${driver}:${name}`;

/** Returns the driver that a secret is for; undefined if it is for all. */
export function addresseeOfSecret(name: string): string | undefined {
  const at = name.indexOf(":");
  return at === -1 ? undefined : name.slice(0, at);
}

/** Returns the run's secrets that a step of this driver gets. */
export function secretsFor(driver: string, secrets: Secrets): Secrets {
  const own = Object.entries(secrets).filter(([name]) =>
    [undefined, driver].includes(addresseeOfSecret(name))
  );
  return Object.fromEntries(own);
}
