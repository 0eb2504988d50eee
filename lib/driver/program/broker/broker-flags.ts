import type { Command, OptionValues } from "@commander-js/extra-typings";
import { flag, switchFlag } from "../command-line/flag.ts";
import { brokerUrls, duration, text } from "../command-line/values.ts";

/** The broker's addresses. */
export const natsFlag = () =>
  flag("--nats <urls>", "broker; several addresses are separated by commas", brokerUrls);

/** A duration, or `0` without a unit. */
const patience = (value: string): number => value.trim() === "0" ? 0 : duration(value);

/** How long programs that serve wait for the broker. */
export const waitFlag = () =>
  flag("--wait <time>", "how long to wait for the broker at the start; 0 does not wait", patience)
    .default(Infinity, "for ever");

/** How to log in to the broker. */
export function withLoginFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .addOption(flag("--nats-creds <file>", "credentials file for the broker", text))
    .addOption(flag("--nats-user <name>", "user of the broker, with --nats-password-file", text))
    .addOption(flag("--nats-password-file <file>", "file that holds the user's password", text))
    .addOption(flag("--nats-token-file <file>", "file that holds a token for the broker", text))
    .addOption(flag("--nats-nkey-file <file>", "file that holds the seed of a user's nkey", text))
    .addOption(switchFlag("--nats-tls-first", "for a broker that begins with the TLS handshake"))
    .addOption(flag("--tls-ca <file>", "authorities to trust, PEM", text))
    .addOption(flag("--tls-cert <file>", "certificate to show, PEM", text))
    .addOption(flag("--tls-key <file>", "its key, PEM", text));
}

/** The parsed values of the login flags. */
// deno-lint-ignore ban-types
export type LoginOptions = ReturnType<ReturnType<typeof withLoginFlags<[], {}, {}>>["opts"]>;
