import { InputError } from "../../../base/errors.ts";
import { shownUrl } from "../../../base/shown-url.ts";
import { parseDuration, parseSize } from "../../../base/units.ts";
import { parseGlob } from "../../../base/glob/glob.ts";
import { withoutTrailing } from "../../../base/text.ts";

/**
 * Parsers of flag values: each returns the parsed value, or throws InputError that quotes the text and says
 * what was expected.
 */
export const text = (value: string): string => value;

export const duration = parseDuration;

export const size = parseSize;

/** A whole number, `least` or more. */
export const wholeNumber = (least: number) => (value: string): number => {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number;
  throw new InputError(`Invalid number "${value}": expected a whole number, ${least} or more`);
};

/** A number above zero, like `1.5`. */
export function positiveNumber(value: string): number {
  const number = Number(value);
  if (/^\d+(\.\d+)?$/.test(value) && number > 0) return number;
  throw new InputError(`Invalid number "${value}": expected a number above 0, like 1.5`);
}

/** Returns a parser for one of a few words, which help and completion show. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  const parse = (value: string): Words[number] => {
    const word = words.find((known) => known === value);
    if (word !== undefined) return word;
    throw new InputError(`Invalid value "${value}": expected ${listed(words)}`);
  };
  return Object.assign(parse, { words });
}

/** The name of an environment variable. */
export function variableName(value: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return value;
  throw new InputError(`Invalid name "${value}": expected a variable's name: letters, digits and _`);
}

/** The name of a variable whose value is a secret. If a value is given too, the error does not quote it. */
export function secretName(value: string): string {
  const at = value.indexOf("=");
  if (at === -1) return variableName(value);
  throw new InputError(
    `Invalid name "${
      value.slice(0, at)
    }=…": expected a variable's name alone; its value is taken from the caller's environment`,
  );
}

/** `NAME=VALUE`, or `NAME` for the caller's own value. */
export function variable(value: string): { name: string; value: string | undefined } {
  const at = value.indexOf("=");
  if (at === -1) return { name: variableName(value), value: undefined };
  return { name: variableName(value.slice(0, at)), value: value.slice(at + 1) };
}

/** `HOST=FILE` or `HOST:PORT=FILE`: the host that a token is for, and the file that holds it. */
export function hostFile(value: string): { host: string; file: string } {
  const [, host, file] = /^([A-Za-z0-9.-]+(?::\d{1,5})?)=(.+)$/.exec(value) ?? [];
  if (host === undefined || file === undefined || host.startsWith("-")) {
    // The text may be the token itself.
    const shown = value.includes("=") || value.length <= 20 ? value : `${value.slice(0, 4)}…`;
    throw new InputError(`Invalid token "${shown}": expected HOST=FILE, like git.example.com=token.txt`);
  }
  return { host: host.toLowerCase(), file };
}

/** `HOST:PORT`; brackets around an IPv6 address. */
export function hostPort(value: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value) ??
    [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new InputError(`Invalid address "${value}": expected HOST:PORT, like 127.0.0.1:9090`);
  }
  return { host, port };
}

/** An address where something is served already, so that its port is known. */
export function servedHostPort(value: string): { host: string; port: number } {
  const address = hostPort(value);
  if (address.port === 0) throw new InputError(`Invalid address "${value}": expected a port from 1 to 65535`);
  return address;
}

/** One or more addresses of a broker, separated by commas. */
export function brokerUrls(value: string): string[] {
  // A password may contain a comma.
  const parts = value.includes("@") ? [value] : value.split(",");
  return parts.map((part) => {
    const text = part.trim();
    const full = text.includes("://") ? text : `nats://${text}`;
    const url = URL.canParse(full) ? new URL(full) : undefined;
    if (text.includes("@")) {
      const login = !text.replace(/^[^/]*:\/\//, "").replace(/@[^@]*$/, "").includes(":")
        ? "a token with --nats-token-file"
        : "them with --nats-user and --nats-password-file, or --nats-creds";
      throw new InputError(
        `Invalid URL "${shownUrl(full)}": expected none with credentials in it; give ${login}`,
      );
    }
    if (!url || url.hostname === "" || !["nats:", "tls:"].includes(url.protocol) || url.search || url.hash) {
      throw new InputError(`Invalid URL "${shownUrl(text)}": expected one like nats://127.0.0.1:4222`);
    }
    return full;
  });
}

/** The address of an HTTP API. */
export function httpUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || /[@?#]/.test(value)) {
    throw new InputError(
      `Invalid URL "${
        shownUrl(value)
      }": expected one like http://127.0.0.1:8080, without credentials or a query in it`,
    );
  }
  return withoutTrailing(value, "/");
}

/** A glob for the names of images. */
export function imageGlob(value: string): string {
  return parseGlob(value, { isExact: true }).text;
}

/** A token of a subject. */
export function subjectToken(value: string): string {
  if (/^[A-Za-z0-9_-]{1,128}$/.test(value)) return value;
  throw new InputError(`Invalid name "${value}": expected letters, digits, - and _ only`);
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}
