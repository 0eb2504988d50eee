import { Buffer } from "node:buffer";

/** The shortest text that is masked: anything shorter stands in too many innocent places. */
export const SHORTEST_SECRET = 3;

/** Line lengths at which tools wrap base64: `base64`, and PEM. */
const WRAPS = [76, 64];

/**
 * Every form in which a secret may show up in a build's output: as it is, each of its lines, in base64 wherever it began,
 * in hex, in URLs, in JSON (also in JSON within JSON) and in a shell's trace.
 */
export function formsOf(secret: string): Set<string> {
  const forms = new Set<string>();
  const values = new Set([secret, secret.trim()]);
  for (const value of values) {
    if (length(value) < SHORTEST_SECRET) continue;
    for (const encode of [base64, hex, url, json, shell]) for (const form of encode(value)) forms.add(form);
  }
  for (const line of secret.split(/[\r\n]+/)) {
    forms.add(line);
    for (const form of shell(line.trim())) forms.add(form);
  }
  for (const form of forms) if (length(form) < SHORTEST_SECRET) forms.delete(form);
  return forms;
}

/**
 * What a secret looks like within the base64 of something longer: depending on how many bytes stand before it, in one of
 * three ways. Characters that its neighbours have a part in are left out; as the end of a text it has its padding.
 */
function base64(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const forms = [];
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    const encoded = whole.toString("base64");
    const first = Math.ceil(before * 8 / 6);
    const inner = encoded.slice(first, Math.floor(whole.length * 8 / 6));
    forms.push(inner, encoded.slice(first));
    if (before === 0) {
      for (const wrap of WRAPS) forms.push(...wrapped(inner, wrap), ...wrapped(encoded, wrap));
    }
  }
  return forms.flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]);
}

function wrapped(text: string, width: number): string[] {
  const lines = [];
  for (let at = 0; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines;
}

function hex(secret: string): string[] {
  const lower = Buffer.from(secret).toString("hex");
  return [lower, lower.toUpperCase()];
}

function url(secret: string): string[] {
  const component = encodeURIComponent(secret.toWellFormed());
  const strict = component.replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const forms = [component, strict, strict.replaceAll("%2F", "/"), encodeURI(secret.toWellFormed())];
  return forms.flatMap((form) => {
    const lower = form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
    return [form, lower, form.replaceAll("%20", "+"), lower.replaceAll("%20", "+")];
  });
}

function json(secret: string): string[] {
  const quoted = inJson(secret);
  const escaped = (text: string, signs: RegExp) =>
    text.replace(signs, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const forms = [
    quoted,
    quoted.replaceAll("/", "\\/"),
    escaped(quoted, /[<>&\u2028\u2029]/g),
    escaped(quoted, /[^ -~]/g),
  ];
  return forms.flatMap((form) => [form, inJson(form)]);
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Between single quotes, a single quote has to leave them. */
function shell(secret: string): string[] {
  return [secret, secret.replaceAll("'", `'\\''`), secret.replaceAll("'", `'"'"'`)];
}

const length = (text: string): number => Buffer.byteLength(text);
