/**
 * Entries of a git configuration in file order. Keys are `section.key` or `section.subsection.key`: names in
 * lower case, subsections unchanged.
 */
export type Config = readonly (readonly [key: string, value: string])[];

/** Parses git's configuration format. Does not follow includes, and ignores lines that it cannot parse. */
export function parseConfig(text: string): Config {
  const entries: [string, string][] = [];
  let section = "";
  for (const line of text.replace(/\r\n/g, "\n").replace(/\\\n/g, "").split("\n")) {
    const header = /^\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(line);
    if (header) {
      const subsection = header[2]?.replace(/\\(.)/g, "$1");
      section = (header[1] ?? "").toLowerCase() + (subsection === undefined ? "" : `.${subsection}`);
    }
    const entry = /^\s*([A-Za-z][A-Za-z0-9-]*)\s*(=.*|[#;].*)?$/.exec(line.slice(header?.[0].length ?? 0));
    if (!entry || section === "") continue;
    const value = entry[2]?.startsWith("=") ? valueOf(entry[2].slice(1)) : "true";
    entries.push([`${section}.${entry[1]?.toLowerCase()}`, value]);
  }
  return entries;
}

/** Returns the last value of a key. */
export function lastOf(config: Config, key: string): string | undefined {
  return config.findLast(([name]) => name === key)?.[1];
}

/** Parses a boolean by git's rules. Undefined if the key is missing. */
export function isTrue(config: Config, key: string): boolean | undefined {
  const value = lastOf(config, key)?.toLowerCase();
  return value === undefined ? undefined : !["false", "no", "off", "0", ""].includes(value);
}

/** Parses a value: resolves quotes and escapes, and removes a trailing comment. */
function valueOf(text: string): string {
  let value = "";
  let kept = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "\\") value += ESCAPES[text.charAt(++i)] ?? text.charAt(i);
    else if (!isQuoted && (char === "#" || char === ";")) break;
    else if (value !== "" || isQuoted || !/\s/.test(char)) value += char;
    if (isQuoted || !/\s/.test(char)) kept = value.length;
  }
  return value.slice(0, kept);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", b: "\b" };
