import { createHash } from "node:crypto";
import type { DaemonInfo } from "../../docker/docker.ts";

/** Returns the default name of a Docker host in the fleet: the same for every client of this daemon. */
export const hostId = ({ id, name }: DaemonInfo): string =>
  createHash("sha256").update(`${id}\n${name}`).digest("hex").slice(0, 12);
