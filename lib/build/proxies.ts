import { withoutLogin } from "../base/shown-url.ts";
import { onOneLine } from "../base/text.ts";
import type { Plan } from "./plan.ts";
import type { BuildContext } from "./policy.ts";

/** Variables that name proxies, as git and the common clients of HTTP read them. */
const NAMES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
  .flatMap((name) => [name.toUpperCase(), name]);
/** Most characters of a value in the log. */
const MOST_SHOWN = 200;

/**
 * Returns the proxy variables of a build, for its clone and its commands: those of the spec and its secrets,
 * then those of the driver's own environment that the operator lets builds read.
 */
export function proxiesOf(
  { policy: { allowEnv, environment }, secrets }: Pick<BuildContext, "policy" | "secrets">,
  { env }: Pick<Plan, "env">,
): Record<string, string> {
  const valueOf = (name: string) =>
    [secrets, env].find((values) => Object.hasOwn(values, name))?.[name] ??
      (allowEnv.includes(name) ? environment[name] : undefined);
  return Object.fromEntries(NAMES.flatMap((name) => {
    const value = valueOf(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Logs which proxies `user` goes through, without their logins. */
export async function sayProxies(
  { log }: Pick<BuildContext, "log">,
  user: string,
  proxies: Readonly<Record<string, string>>,
): Promise<void> {
  const shown = Object.entries(proxies).map(([name, value]) => `${name}=${shownProxy(value)}`);
  if (shown.length > 0) await log.line(`Proxies of ${user}: ${shown.join(", ")}`);
}

/** Returns a proxy's address for the log: without its login, on one line. */
export const shownProxy = (value: string): string => onOneLine(withoutLogin(value)).slice(0, MOST_SHOWN);
