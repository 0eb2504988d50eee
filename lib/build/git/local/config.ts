/** git's configuration as it was written: `section.key` or `section.subsection.key`, names in lower case, subsections as they are. */
export type Config = readonly (readonly [key: string, value: string])[];

/** Parses git's configuration format. Nothing is included, and a line that makes no sense is passed over. */
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

/** The last value of a key. */
export function lastOf(config: Config, key: string): string | undefined {
  return config.findLast(([name]) => name === key)?.[1];
}

/** git's idea of yes and no; undefined where the key is missing. */
export function isTrue(config: Config, key: string): boolean | undefined {
  const value = lastOf(config, key)?.toLowerCase();
  return value === undefined ? undefined : !["false", "no", "off", "0", ""].includes(value);
}

/** Without quotes, escapes and a comment at its end. */
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
