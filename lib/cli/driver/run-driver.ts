import { InputError } from "../../base/errors.ts";
import type { Driver } from "../../driver/driver.ts";
import { connect } from "../connect.ts";
import { readGitTokens } from "../git-tokens.ts";
import { startProcessLog } from "../process-log.ts";
import { readInputFile } from "../read-input-file.ts";
import type { DriverOptions } from "./driver-command.ts";

/** Runs one instance of the driver until it is told to stop. Throws InputError, UnavailableError. */
export async function runDriver(driver: Driver, options: DriverOptions): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  checkPairs(options);
  await checkFiles(options);
  await readGitTokens(options.gitToken ?? []);
  await connect({ driver: driver.name, servers: options.nats });
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
