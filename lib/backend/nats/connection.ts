import type { NatsConnection } from "@nats-io/transport-node";
import { jittered } from "../../base/retry.ts";
import { type Clock, monotonicClock, systemClock } from "../../base/clock.ts";
import { UnavailableError } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { RecentSet } from "../../base/recent-set.ts";
import { LEAST_MESSAGE_BYTES, MAX_MESSAGE_BYTES } from "../transport.ts";
import { shownUrl } from "../../base/shown-url.ts";
import { deniedIn } from "./denied.ts";
import { dial } from "./dial.ts";
import { AWAY, explain } from "./explain.ts";
import { authenticator, type Login, tlsOptions } from "./login.ts";
import { checkTlsFiles } from "./tls.ts";

export interface NatsOptions extends Login {
  /**
   * `nats://host:port` or `tls://host:port`, optionally with `user:password@`. One server of a cluster is
   * enough.
   */
  readonly servers: readonly string[];
  /**
   * Connection name shown by the broker, also used as inbox prefix (`_INBOX.<name>`): must be a subject
   * token.
   */
  readonly name?: string;
  /** Timeout of the first connection to each server, milliseconds. Default: 5,000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

/** Nothing answers at the broker's addresses, or too late: either may be temporary. */
export class BrokerAwayError extends UnavailableError {}

/** The first version whose consumers support several filters; older versions ignore them silently. */
const LEAST_VERSION = [2, 10];

/**
 * Connects and reconnects for ever; logs one line for each loss and each reconnect. Throws `UnavailableError`
 * (with the addresses tried and the reason) if the first connection fails or the broker does not meet our
 * requirements, and `InputError`, naming the file, if a file is unusable.
 */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { clock = systemClock, timeoutMs = 5000, name = "conveyor" } = options;
  const servers = options.servers.map(parseServer);
  const wantsTls = options.tls !== undefined || options.tlsFirst === true ||
    servers.some((server) => server.tls);
  if (options.tls) await checkTlsFiles(options.tls, clock());
  const auth = authenticator(options, servers);
  const lost = { since: monotonicClock() };
  let connection: NatsConnection;
  try {
    connection = await dial({
      servers: servers.map(({ address }) => address),
      name,
      // One inbox prefix per program, so that the broker's permissions can separate them.
      inboxPrefix: `_INBOX.${name}`,
      timeout: timeoutMs,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => reconnectDelay(monotonicClock() - lost.since),
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
      pingInterval: 20_000,
      ...(auth ? { authenticator: auth } : {}),
      ...(wantsTls ? { tls: tlsOptions(options) } : {}),
    });
  } catch (cause) {
    const addresses = servers.map(({ address }) => address);
    const shown = servers.map(({ shown }) => `"${shown}"`).join(", ");
    const why = await explain(cause, addresses, options.tls);
    const Kind = AWAY.includes(why) ? BrokerAwayError : UnavailableError;
    throw new Kind(`Cannot connect to NATS at ${shown}: ${why}`, {
      cause,
      hint:
        "Start a nats-server with JetStream, or the Conveyor CI server that has one in it, or name its address",
    });
  }
  try {
    checkVersion(connection);
    checkMaxPayload(connection);
    logStatus(connection, () => lost.since = monotonicClock()).catch(() => {});
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

interface Server {
  /** Address to dial. */
  readonly address: string;
  /** Address for messages, without the password. */
  readonly shown: string;
  readonly user: string;
  readonly password: string;
  readonly tls: boolean;
}

function parseServer(text: string): Server {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `nats://${text}`;
  const parsed = URL.parse(url);
  if (!parsed || !["nats:", "tls:"].includes(parsed.protocol) || parsed.hostname === "") {
    throw new UnavailableError(
      `Invalid NATS address "${shownUrl(text)}": expected nats://host:port or tls://host:port`,
    );
  }
  const host = `${parsed.hostname}:${parsed.port || "4222"}`;
  return {
    address: host,
    shown: `${parsed.protocol}//${host}`,
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    tls: parsed.protocol === "tls:",
  };
}

/**
 * Short at first, for a broker that restarts; then longer, so that many clients do not overload a broker that
 * is down.
 */
function reconnectDelay(lostForMs: number): number {
  const base = lostForMs < 5000 ? 200 : lostForMs < 60_000 ? 1000 : 5000;
  return jittered(base * 1.5);
}

function checkVersion(connection: NatsConnection): void {
  const version = connection.info?.version ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = LEAST_VERSION;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new UnavailableError(
    `NATS at "${connection.getServer()}" is version ${version}: expected ${LEAST_VERSION.join(".")} or newer`,
    { hint: "Older ones ignore consumers with several filters; update the nats-server" },
  );
}

/**
 * Throws if the broker's maximum message size is too small for our messages; warns if it is below the
 * default.
 */
function checkMaxPayload(connection: NatsConnection): void {
  const most = connection.info?.max_payload ?? MAX_MESSAGE_BYTES;
  const server = connection.getServer();
  if (most < LEAST_MESSAGE_BYTES) {
    throw new UnavailableError(
      `NATS at "${server}" takes messages of ${most} bytes at most: expected ${LEAST_MESSAGE_BYTES} or more`,
      {
        hint:
          `Raise max_payload in the configuration of the nats-server; its default is ${MAX_MESSAGE_BYTES}`,
      },
    );
  }
  if (most >= MAX_MESSAGE_BYTES) return;
  processLog("nats").warn(
    "NATS at {server} takes messages of {most} bytes at most: larger events are refused, larger results are cut",
    { server, most },
  );
}

/** Refusals that are not logged again. */
const REMEMBERED_REFUSALS = 100;

/** Logs one line for every change of the connection, and one for every kind of refusal. */
async function logStatus(connection: NatsConnection, onLost: () => void): Promise<void> {
  const log = processLog("nats");
  const said = new RecentSet(REMEMBERED_REFUSALS);
  for await (const status of connection.status()) {
    if (status.type === "disconnect") {
      onLost();
      log.warn("Lost NATS at {server}; trying again", { server: status.server });
    } else if (status.type === "reconnect") {
      log.info("Connected to NATS at {server} again", { server: status.server });
    } else if (status.type === "error") {
      const denied = deniedIn(status.error);
      if (denied !== undefined) {
        if (!said.has(denied)) {
          log.warn("NATS says: {denied}. flutter-ci doctor --nats names all that it lacks", { denied });
        }
        said.add(denied);
        continue;
      }
      log.warn("NATS says: {error}", { error: status.error.message });
    }
  }
}
