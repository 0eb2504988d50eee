import type { ContainerInfo } from "../../docker/docker.ts";
import type { DriverSettings } from "../../driver/driver.ts";

/** Where our scripts look for programs. The image's own folders come after these, absolute ones only. */
const OWN_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** Where an image says it keeps its certificate authorities. Whoever made the image could as well have changed them. */
const KEPT = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
const PROXIES = [
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
];

/**
 * The environment of a script of ours in a container: none of the image's variables, which git, shells and the dynamic linker
 * would heed, and of the proxies those that the operator has set and allowed builds to read.
 */
export function cleanEnvironment(
  { env }: ContainerInfo,
  { allowEnv, environment }: Pick<DriverSettings, "allowEnv" | "environment">,
): { env: Record<string, string>; unset: string[] } {
  const fallback = (env.PATH ?? "").split(":").filter((folder) => folder.startsWith("/"));
  const proxies = PROXIES.flatMap((name) => {
    const value = allowEnv.includes(name) ? environment[name] : undefined;
    return value === undefined ? [] : [[name, value]];
  });
  return {
    env: { PATH: [...new Set([...OWN_PATH, ...fallback])].join(":"), ...Object.fromEntries(proxies) },
    unset: Object.keys(env).filter((name) => name !== "PATH" && !KEPT.includes(name)),
  };
}
