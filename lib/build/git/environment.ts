import type { ContainerInfo, Variables } from "../../docker/docker.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";

/**
 * Variables that locate an image's certificate authorities. The author of an image could change the
 * authorities themselves, too.
 */
const KEPT = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/** `ownEnvironment` for git, with the image's certificate authorities. */
export function cleanEnvironment(container: ContainerInfo): Variables {
  const kept = KEPT.flatMap((name) => container.env[name] === undefined ? [] : [[name, container.env[name]]]);
  return { ...ownEnvironment(container), ...Object.fromEntries(kept) };
}
