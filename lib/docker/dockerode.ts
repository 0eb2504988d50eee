import { Garbage } from "../base/garbage.ts";
import { openClient } from "./client.ts";
import { containerCalls } from "./containers.ts";
import { daemonCalls } from "./daemon.ts";
import type { Docker } from "./docker.ts";
import type { DockerEndpoint } from "./endpoint.ts";
import { imageCalls } from "./images.ts";
import { insideCalls } from "./inside.ts";
import { openModem } from "./modem.ts";
import { networkAndVolumeCalls } from "./networks.ts";

export interface ConnectOptions {
  /** Called when a call has been sent to the daemon. */
  readonly onSent?: () => void;
  /** Counts what containers and processes print. */
  readonly garbage?: Garbage;
}

/** Connects to Docker at `endpoint` with dockerode. Opens no connection before the first call. */
export function connectDocker(
  endpoint: DockerEndpoint,
  { garbage = new Garbage(), ...options }: ConnectOptions = {},
): Docker {
  const modem = openModem(endpoint, options);
  const client = openClient(modem);
  return {
    endpoint: endpoint.name,
    ...daemonCalls(client),
    ...imageCalls(client),
    ...containerCalls(client),
    ...insideCalls(client, { endpoint: endpoint.name, garbage }),
    ...networkAndVolumeCalls(client),
    [Symbol.asyncDispose]() {
      modem.close();
      return Promise.resolve();
    },
  };
}
