import { createHash } from "node:crypto";
import type { DaemonInfo } from "../../docker/docker.ts";

/** What a Docker host is called in a fleet where nobody gave it a name: the same for everybody who asks this daemon. */
export const hostId = ({ id, name }: DaemonInfo): string =>
  createHash("sha256").update(`${id}\n${name}`).digest("hex").slice(0, 12);
