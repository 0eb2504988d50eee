import { Buffer } from "node:buffer";
import type { Choose } from "../support/chooser.ts";

/** How a build may write a secret between two texts, by the name of what does so. */
export const WRITINGS: Readonly<Record<string, (secret: string, choose: Choose) => string>> = {
  echo: (secret) => `value=${secret};`,
  "echo in dash": (secret) => `value=${secret.replaceAll("\\n", "\n")};`,
  "grep --color": (secret, choose) => coloured(secret, choose),
  "a JSON document": (secret) => JSON.stringify({ k: secret, more: 1 }),
  "JSON in JSON in JSON": (secret) => JSON.stringify({ a: JSON.stringify(JSON.stringify([secret])) }),
  "JSON in ASCII": (secret) => ascii(JSON.stringify([secret])),
  "Go's JSON": (secret) =>
    JSON.stringify([secret]).replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
  "PHP's JSON": (secret) => JSON.stringify([secret]).replaceAll("/", "\\/"),
  "a URL": (secret) => `https://host/?key=${encodeURIComponent(secret)}&x=1`,
  "a URL in a URL": (secret) =>
    `https://host/?to=${encodeURIComponent(`?key=${encodeURIComponent(secret)}`)}`,
  "a form": (secret) => new URLSearchParams({ a: "1", key: secret, z: "2" }).toString(),
  XML: (secret) => `<property name="key" value="${xml(secret)}"/>`,
  "XML with numbers": (secret) =>
    `<b>${secret.replace(/[^a-z0-9]/giu, (sign) => `&#${sign.codePointAt(0)};`)}</b>`,
  HTML: (secret) =>
    `<b>${secret.replace(/[^a-z0-9]/giu, (sign) => `&#x${sign.codePointAt(0)?.toString(16)};`)}</b>`,
  "a URL in XML": (secret) => `<a href="?a=1&amp;key=${xml(encodeURIComponent(secret))}">`,
  "export -p in dash": (secret) => `export KEY='${secret.replaceAll("'", `'"'"'`)}'`,
  "export -p in bash": (secret) => `declare -x KEY="${secret.replace(/["\\$`]/g, "\\$&")}"`,
  "set -x": (secret) => `+ login '${secret.replaceAll("'", `'\\''`)}'`,
  "printf %q": (secret) =>
    `key ${secret.replace(/[^\w@%+=:,./\n-]/gu, "\\$&").replaceAll("\n", `$'\\n'`)} end`,
  "printf %q with bytes": (secret) =>
    `$'${bytesOf(secret, (byte) => `\\${byte.toString(8).padStart(3, "0")}`)}'`,
  "Python's repr": (secret) => `b'${bytesOf(secret, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`)}'`,
  YAML: (secret) => `key: '${secret.replaceAll("'", "''")}'`,
  base64: (secret, choose) => wrapped(around(secret, choose).toString("base64"), 20 + choose(80)),
  "base64 in one line": (secret, choose) =>
    `Authorization: Basic ${around(secret, choose).toString("base64")}`,
  "base64 for URLs": (secret, choose) => `eyJh.${around(secret, choose).toString("base64url")}.x`,
  "base64 in JSON": (secret, choose) =>
    JSON.stringify({ data: wrapped(around(secret, choose).toString("base64"), 76) }),
  "base64 in a URL": (secret, choose) =>
    `?d=${encodeURIComponent(around(secret, choose).toString("base64"))}`,
  base32: (secret, choose) => wrapped(base32(around(secret, choose)), 76),
  "hex in one line": (secret, choose) => `0x${around(secret, choose).toString("hex")}`,
  "hex with colons": (secret, choose) => pairs(around(secret, choose)).join(":").toUpperCase(),
  "xxd -p": (secret, choose) => wrapped(around(secret, choose).toString("hex"), 60),
  xxd: (secret, choose) => dump(around(secret, choose), xxdLine),
  "hexdump -C": (secret, choose) => dump(around(secret, choose), hexdumpLine),
  "od -tx1": (secret, choose) => dump(around(secret, choose), odLine),
  "od -An -tx1z": (secret, choose) => dump(around(secret, choose), odTextLine),
};

/**
 * The first part of a secret, `least` bytes long, that somebody can read in a text: as it stands, or within
 * any base64, base32 or hex, whose lines may be broken. Undefined where there is none.
 */
export function readablePart(text: string, secret: string, least: number): string | undefined {
  const wanted = Buffer.from(secret);
  const readings = [Buffer.from(text), ...decoded(text)];
  for (let at = 0; at + least <= wanted.length; at++) {
    const part = wanted.subarray(at, at + least);
    if (readings.some((reading) => reading.includes(part))) return part.toString();
  }
  return undefined;
}

function decoded(text: string): Buffer[] {
  const readings: Buffer[] = [];
  const digitsOnly = text.split("\n").map((line) =>
    line.replace(/^[0-9a-f]{6,16}(?::| ) */, "").replace(/ {2}[|>].*$| {2}(?=\S).{1,16}$/, "").trim()
  ).join("\n");
  for (const run of text.replaceAll("\n", "").matchAll(/[\w+/-]{8,}/g)) {
    for (let skip = 0; skip < 4; skip++) readings.push(Buffer.from(run[0].slice(skip), "base64"));
  }
  for (const run of text.replaceAll("\n", "").matchAll(/[A-Z2-7]{8,}/g)) {
    for (let skip = 0; skip < 8; skip++) readings.push(fromBase32(run[0].slice(skip)));
  }
  for (const run of digitsOnly.replace(/[\s:]/g, "").matchAll(/[0-9a-f]{8,}/gi)) {
    for (let skip = 0; skip < 2; skip++) readings.push(Buffer.from(run[0].slice(skip), "hex"));
  }
  return readings;
}

/** The secret with other bytes before and after it, as `env` puts it. */
function around(secret: string, choose: Choose): Buffer {
  const some = (count: number) => Buffer.from(Array.from({ length: choose(count) }, () => 97 + choose(26)));
  return Buffer.concat([some(150), Buffer.from("KEY="), Buffer.from(secret), Buffer.from("\n"), some(150)]);
}

function coloured(secret: string, choose: Choose): string {
  const at = [...secret].slice(0, 1 + choose(5)).join("").length;
  return `a \x1b[01;31m\x1b[K${secret.slice(0, at)}\x1b[m\x1b[K${secret.slice(at)}\x1b]8;;https://x\x07 b`;
}

function ascii(text: string): string {
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function xml(text: string): string {
  const names: Record<string, string> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos" };
  return text.replace(/[&<>"']/g, (sign) => `&${names[sign]};`);
}

function bytesOf(text: string, show: (byte: number) => string): string {
  return [...Buffer.from(text)].map((byte) =>
    byte > 32 && byte < 127 && byte !== 0x27 && byte !== 0x5c ? String.fromCharCode(byte) : show(byte)
  ).join("");
}

function wrapped(text: string, width: number): string {
  return text.match(new RegExp(`.{1,${width}}`, "g"))?.join("\n") ?? "";
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const digits = bits.match(/.{1,5}/g)?.map((five) => DIGITS[Number.parseInt(five.padEnd(5, "0"), 2)]).join(
    "",
  );
  return digits?.padEnd(Math.ceil(digits.length / 8) * 8, "=") ?? "";
}

function fromBase32(digits: string): Buffer {
  const bits = [...digits].map((digit) => DIGITS.indexOf(digit).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g)?.map((eight) => Number.parseInt(eight, 2)) ?? []);
}

function pairs(bytes: Uint8Array): string[] {
  return Buffer.from(bytes).toString("hex").match(/../g) ?? [];
}

function dump(bytes: Buffer, line: (offset: number, bytes: Buffer) => string): string {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) lines.push(line(at, bytes.subarray(at, at + 16)));
  return lines.join("\n");
}

function printable(bytes: Buffer): string {
  return bytes.toString("latin1").replace(/[^ -~]/g, ".");
}

function xxdLine(offset: number, bytes: Buffer): string {
  const groups = bytes.toString("hex").match(/.{1,4}/g)?.join(" ") ?? "";
  return `${offset.toString(16).padStart(8, "0")}: ${groups.padEnd(39)}  ${printable(bytes)}`;
}

function hexdumpLine(offset: number, bytes: Buffer): string {
  const halves = [bytes.subarray(0, 8), bytes.subarray(8)].map((half) => pairs(half).join(" ").padEnd(23));
  return `${offset.toString(16).padStart(8, "0")}  ${halves.join("  ")}  |${printable(bytes)}|`;
}

function odLine(offset: number, bytes: Buffer): string {
  return `${offset.toString(8).padStart(7, "0")} ${pairs(bytes).join(" ")}`;
}

function odTextLine(_offset: number, bytes: Buffer): string {
  return ` ${pairs(bytes).join(" ").padEnd(47)}  >${printable(bytes)}<`;
}
