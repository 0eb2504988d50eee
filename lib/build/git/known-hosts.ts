import { InputError } from "../../base/errors.ts";
import { WELL_KNOWN_HOSTS } from "./well-known-hosts.ts";

const MARKERS = ["@cert-authority", "@revoked"];
/** A host name as hashed by `ssh-keygen -H`. */
const HASHED = /^\|1\|[A-Za-z0-9+/]{27}=\|[A-Za-z0-9+/]{27}=$/;
const NAMES = /^!?[A-Za-z0-9.*?:_[\]-]+(?:,!?[A-Za-z0-9.*?:_[\]-]+)*$/;
const TYPE = /^[a-z0-9][a-z0-9@.-]*$/;

/**
 * Returns the lines of a known_hosts file without comments. Throws InputError for the first line that ssh
 * would not understand: ssh itself skips such a line, and the host would count as unknown.
 */
export function parseKnownHosts(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line, i) => {
    if (line === "" || line.startsWith("#")) return false;
    const why = whyNoEntry(line);
    if (why === undefined) return true;
    throw new InputError(
      `Line ${
        i + 1
      } is no entry of a known_hosts file, ${why}: expected lines as ssh-keyscan HOST prints them, like "git.example.com ssh-ed25519 AAAA…"`,
    );
  });
}

/**
 * Returns the host keys that ssh trusts: the operator's lines, and with `wellKnown` those of well-known hosts
 * that no line names.
 */
export function knownHosts(own: readonly string[], { wellKnown }: { wellKnown: boolean }): string {
  const named = new Set(own.flatMap((line) => namesOf(line)));
  const builtIn = wellKnown ? WELL_KNOWN_HOSTS.filter((line) => !named.has(namesOf(line)[0] ?? "")) : [];
  return [...own, ...builtIn].join("\n");
}

function whyNoEntry(line: string): string | undefined {
  const words = line.split(/\s+/);
  if (words[0]?.startsWith("@") && !MARKERS.includes(words.shift() ?? "")) return "its marker is unknown";
  const [names = "", type = "", key = ""] = words;
  if (!HASHED.test(names) && !NAMES.test(names)) return "it begins with no host name";
  if (!TYPE.test(type)) return "it has no type of a key";
  const bytes = Buffer.from(key, "base64");
  // A key begins with its own type: its length in four bytes, then its name.
  const inside = bytes.length > 4 ? bytes.toString("latin1", 4, 4 + bytes.readUInt32BE(0)) : "";
  return bytes.toString("base64") === key && inside === type ? undefined : `its key is not of type ${type}`;
}

function namesOf(line: string): string[] {
  const words = line.split(/\s+/);
  return (words[0]?.startsWith("@") ? words[1] : words[0])?.split(",") ?? [];
}
