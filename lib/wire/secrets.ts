/** Secrets of a run by name. */
export type Secrets = Readonly<Record<string, string>>;

/**
 * The name of a secret that is meant for one driver only: no other step gets it. Names of variables have no colon, so it is
 * none of those.
 */
export const secretFor = (driver: string, name: string): string => `${driver}:${name}`;

/** Whom a secret of this name is meant for; undefined for all. */
export function addresseeOfSecret(name: string): string | undefined {
  const at = name.indexOf(":");
  return at === -1 ? undefined : name.slice(0, at);
}

/** Of a run's secrets, those that a step of this driver gets. */
export function secretsFor(driver: string, secrets: Secrets): Secrets {
  const own = Object.entries(secrets).filter(([name]) =>
    [undefined, driver].includes(addresseeOfSecret(name))
  );
  return Object.fromEntries(own);
}
