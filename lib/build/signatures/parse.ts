import { InputError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";

/** Whose signatures of commits are accepted. At least one of both is not empty. */
export interface Signers {
  /** Lines of ssh's allowed-signers file. */
  readonly ssh: string;
  /** OpenPGP public keys, in ASCII armor. */
  readonly openpgp: string;
}

/** Most characters: they may travel with every event of a build. */
const MOST_CHARS = 128 * 1024;
const KEY_TYPE = /^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$/;
const KEY = /^AAAA[A-Za-z0-9+/]{20,}={0,2}$/;
const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,60})-----$/;
const PUBLIC = "PGP PUBLIC KEY BLOCK";

/**
 * Parses the text of a file of signers: lines of ssh's allowed-signers file, OpenPGP public keys, or both.
 * Throws InputError for anything else.
 */
export function parseSigners(text: string): Signers {
  if (text.length > MOST_CHARS) {
    throw new InputError(`It is larger than ${formatSize(MOST_CHARS)}: expected only keys that sign commits`);
  }
  const ssh: string[] = [];
  const openpgp: string[] = [];
  let inKey = false;
  for (const [i, line] of text.split("\n").map((line) => line.trim()).entries()) {
    const label = BEGIN.exec(line)?.[1];
    if (label !== undefined && label !== PUBLIC) throw new InputError(whyNoKey(label));
    inKey ||= label !== undefined;
    if (inKey) openpgp.push(line);
    else if (line !== "" && !line.startsWith("#")) ssh.push(checkedLine(line, i + 1));
    if (line === `-----END ${PUBLIC}-----`) inKey = false;
  }
  if (inKey) throw new InputError(`Its last key is cut off: expected -----END ${PUBLIC}-----`);
  if (ssh.length + openpgp.length === 0) throw new InputError("It has no key");
  return { ssh: linesOf(ssh), openpgp: linesOf(openpgp) };
}

const linesOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

const whyNoKey = (label: string): string =>
  label.endsWith("PRIVATE KEY") || label.endsWith("PRIVATE KEY BLOCK")
    ? "It has a private key in it, which stays with its owner: expected public keys only"
    : `It has a block "${label}": expected ssh's allowed signers, or -----BEGIN ${PUBLIC}-----`;

/** Throws InputError for a line that is not `PRINCIPALS [OPTIONS] TYPE KEY [COMMENT]`. */
function checkedLine(line: string, number: number): string {
  const words = line.split(/[ \t]+/);
  const at = words.findIndex((word, i) => KEY_TYPE.test(word) && KEY.test(words[i + 1] ?? ""));
  if (at > 0) return line;
  throw new InputError(
    at === 0
      ? `Line ${number} has a key and not whose it is: expected NAME ${words[0]} ${words[1]?.slice(0, 12)}…`
      : `Line ${number} is no allowed signer: expected NAME ssh-ed25519 AAAA…, as in ssh's allowed-signers file`,
  );
}
