import { UnavailableError } from "../base/errors.ts";

/** What a driver that is a process of its own works for. */
export interface Broker {
  readonly driver: string;
  readonly servers: readonly string[];
}

/** Where a driver's transport is chosen. Drivers work within `flutter-ci run` so far: throws UnavailableError. */
export function connect({ driver, servers }: Broker): Promise<never> {
  return Promise.reject(
    new UnavailableError(
      `Cannot start the driver "${driver}" for ${
        servers.map((url) => `"${url}"`).join(", ")
      }: this version does not work over NATS yet`,
      { hint: 'All four drivers work together in one process with "flutter-ci run"' },
    ),
  );
}
