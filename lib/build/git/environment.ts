import type { ContainerInfo, Variables } from "../../docker/docker.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import type { BuildPolicy } from "../policy.ts";

/**
 * Variables that locate an image's certificate authorities. The author of an image could change the
 * authorities themselves, too.
 */
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
 * `ownEnvironment` for a clone: adds the image's certificate authorities, and the proxies that the operator
 * lets builds read.
 */
export function cleanEnvironment(
  container: ContainerInfo,
  { allowEnv, environment }: Pick<BuildPolicy, "allowEnv" | "environment">,
): Variables {
  const kept = KEPT.flatMap((name) => container.env[name] === undefined ? [] : [[name, container.env[name]]]);
  const proxies = PROXIES.flatMap((name) => {
    const value = allowEnv.includes(name) ? environment[name] : undefined;
    return value === undefined ? [] : [[name, value]];
  });
  return { ...ownEnvironment(container), ...Object.fromEntries([...kept, ...proxies]) };
}
