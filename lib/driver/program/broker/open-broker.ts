import type { NatsOptions } from "../../../backend/nats/connection.ts";
import { type NatsBackend, openNats } from "../../../backend/nats/transport.ts";
import { messageOf, Retryable } from "../../../base/errors.ts";
import { processLog } from "../../../base/log.ts";
import { backOff } from "../../../base/retry.ts";
import { delay } from "../../../base/signals.ts";
import type { LoginOptions } from "./broker-flags.ts";

type BrokerOptions = LoginOptions & { nats: readonly string[] };

/**
 * Connects to the broker that the flags name. `name` is the connection's name in the broker's lists. Throws
 * InputError, UnavailableError.
 */
export const openBroker = (options: BrokerOptions, name: string): Promise<NatsBackend> =>
  openNats(natsOptions(options, name));

/** Makes connection options from the flags. */
export function natsOptions(options: BrokerOptions, name: string): NatsOptions {
  const { nats, natsCreds, natsUser, natsPasswordFile, natsTokenFile, natsNkeyFile, natsTlsFirst } = options;
  const { tlsCa, tlsCert, tlsKey } = options;
  const tls = {
    ...tlsCa !== undefined && { ca: tlsCa },
    ...tlsCert !== undefined && { cert: tlsCert },
    ...tlsKey !== undefined && { key: tlsKey },
  };
  return {
    servers: nats,
    name,
    ...natsCreds !== undefined && { credsFile: natsCreds },
    ...natsUser !== undefined && { user: natsUser },
    ...natsPasswordFile !== undefined && { passwordFile: natsPasswordFile },
    ...natsTokenFile !== undefined && { tokenFile: natsTokenFile },
    ...natsNkeyFile !== undefined && { nkeyFile: natsNkeyFile },
    ...natsTlsFirst && { tlsFirst: true },
    ...Object.keys(tls).length > 0 && { tls },
  };
}

/**
 * Returns the broker's owner. Waits until a control plane has created its streams, and logs each new reason
 * once. Throws `signal.reason`.
 */
export async function awaitOwner(
  broker: Pick<NatsBackend, "owner">,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<NatsBackend["owner"]>>> {
  for (let n = 1, said = "";; n++) {
    try {
      return await broker.owner();
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
      const why = messageOf(error);
      if (why !== said) processLog("driver").warn("Waits for the control plane: {why}", { why });
      said = why;
      await delay(backOff(n, 100, 2000), { signal });
    }
  }
}
