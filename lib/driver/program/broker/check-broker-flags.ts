import { InputError } from "../../../base/errors.ts";
import { readInputFile } from "../command-line/read-input-file.ts";
import type { LoginOptions } from "./broker-flags.ts";

type Options = LoginOptions & { tokenFile?: string | undefined };

/** Throws InputError if flags contradict each other, or if a file cannot be read. */
export async function checkBrokerFlags(options: Options): Promise<void> {
  checkPairs(options);
  await checkFiles(options);
}

/** Checks flags that need each other, and that there is one login at most. */
function checkPairs(options: Options): void {
  const pairs = [
    ["--nats-user", options.natsUser, "--nats-password-file", options.natsPasswordFile],
    ["--tls-cert", options.tlsCert, "--tls-key", options.tlsKey],
  ] as const;
  for (const [first, one, second, other] of pairs) {
    if ((one === undefined) === (other === undefined)) continue;
    const [given, missing] = one === undefined ? [second, first] : [first, second];
    throw new InputError(`The flag ${given} was given without ${missing}: expected both`);
  }
  const logins = [
    ["--nats-creds", options.natsCreds],
    ["--nats-user", options.natsUser],
    ["--nats-token-file", options.natsTokenFile],
    ["--nats-nkey-file", options.natsNkeyFile],
  ] as const;
  const [one, other] = logins.filter(([, value]) => value !== undefined).map(([name]) => name);
  if (other) throw new InputError(`Both ${one} and ${other} were given: expected one way to log in`);
}

/** Reports a wrong path at the start, not when the file is first needed. */
async function checkFiles(options: Options): Promise<void> {
  const files = [
    ["--nats-creds", options.natsCreds],
    ["--nats-password-file", options.natsPasswordFile],
    ["--nats-token-file", options.natsTokenFile],
    ["--nats-nkey-file", options.natsNkeyFile],
    ["--token-file", options.tokenFile],
    ["--tls-ca", options.tlsCa],
    ["--tls-cert", options.tlsCert],
    ["--tls-key", options.tlsKey],
  ] as const;
  for (const [name, path] of files) {
    if (path !== undefined) await readInputFile(name, path);
  }
}
