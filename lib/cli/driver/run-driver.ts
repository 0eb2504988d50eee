import { parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import type { Driver } from "../../driver/driver.ts";
import { startInstance } from "../../driver/instance.ts";
import { tend } from "../../driver/tend.ts";
import { InputError } from "../../base/errors.ts";
import { environment } from "../environment.ts";
import { exitOfSignal, type StopSignal } from "../exit-codes.ts";
import { readGitTokens } from "../git-tokens.ts";
import { startProcessLog } from "../process-log.ts";
import { reachDocker } from "../reach-docker.ts";
import { readInputFile } from "../read-input-file.ts";
import { listenForStop } from "../run/stop-requests.ts";
import type { DriverOptions } from "./driver-command.ts";
import { driverSettings } from "./driver-settings.ts";
import { awaitOwner, openBroker } from "./open-broker.ts";

/**
 * Runs one instance of the driver: takes events from the broker until the first signal, then finishes what is in hand.
 * What goes away later (broker, API, Docker) is waited for. Throws InputError, UnavailableError.
 */
export async function runDriver(driver: Driver, options: DriverOptions): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  checkPairs(options);
  await checkFiles(options);
  const gitTokens = await readGitTokens(options.gitToken ?? []);

  const stopping = new AbortController();
  const { signal } = stopping;
  using _stop = listenForStop({
    onFirst: (name) => stopping.abort(new DOMException(`Stopped by ${name}`, "AbortError")),
    onSecond: leaveAtOnce,
  });
  try {
    await using reaching = reachDocker({ endpoint: options.docker, environment, signal });
    await using transport = await openBroker(options, `conveyor-${driver.name}`);
    const { owner } = await awaitOwner(transport, signal);
    const { docker, info } = await reaching.answer;
    const settings = driverSettings(options, { owner, info, gitTokens, environment });
    await using instance = startInstance({
      driver,
      transport,
      docker,
      settings,
      concurrency: options.concurrency,
      ackWaitMs: options.ackWait,
      reach: parseFaults(environment.CONVEYOR_FAULT),
      ...options.resource && { resources: options.resource },
    });
    await instance.ready;
    const log = processLog("driver");
    log.info("Driver {name} takes events of {resources} on host {host}", {
      name: driver.name,
      resources: (options.resource ?? driver.resources).join(", "),
      host: settings.host,
    });
    // Ends with the first signal.
    await tend(driver, { transport, docker, settings, signal });
    await aborted(signal);
    log.info("Driver {name} takes no more events and finishes the {count} in hand", {
      name: driver.name,
      count: instance.inHand,
    });
    await instance.drain(options.drain);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}

function leaveAtOnce(name: StopSignal): never {
  process.stderr.write("Left at once; what was in hand goes to another instance after the ack wait\n");
  process.exit(exitOfSignal(name));
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
/** Flags that mean nothing without each other. */
function checkPairs(options: DriverOptions): void {
  const pairs = [
    ["--nats-user", options.natsUser, "--nats-password-file", options.natsPasswordFile],
    ["--tls-cert", options.tlsCert, "--tls-key", options.tlsKey],
  ] as const;
  for (const [first, one, second, other] of pairs) {
    if ((one === undefined) === (other === undefined)) continue;
    const [given, missing] = one === undefined ? [second, first] : [first, second];
    throw new InputError(`The flag ${given} was given without ${missing}: expected both`);
  }
  if (options.natsCreds !== undefined && options.natsUser !== undefined) {
    throw new InputError("Both --nats-creds and --nats-user were given: expected one way to log in");
  }
}

/** A wrong path is told now, not when the file is first needed. */
async function checkFiles(options: DriverOptions): Promise<void> {
  const files = [
    ["--nats-creds", options.natsCreds],
    ["--nats-password-file", options.natsPasswordFile],
    ["--token-file", options.tokenFile],
    ["--tls-ca", options.tlsCa],
    ["--tls-cert", options.tlsCert],
    ["--tls-key", options.tlsKey],
  ] as const;
  for (const [name, path] of files) {
    if (path !== undefined) await readInputFile(name, path);
  }
}
