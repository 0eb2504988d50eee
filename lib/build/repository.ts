import { InputError } from "../base/errors.ts";
import { shownUrl } from "../base/shown-url.ts";

/** Where a build's files come from. */
export type Repository =
  | {
    readonly kind: "remote";
    readonly url: string;
    readonly protocol: "https" | "ssh";
    readonly host: string;
  }
  | { readonly kind: "local"; readonly path: string };

const EXPECTED = "expected an https or ssh URL of a git repository";
const SCP_LIKE = /^(?:([A-Za-z0-9._~-]+)@)?([A-Za-z0-9.-]+):(?!\/\/)(.+)$/;

/**
 * Parses a repository. Only https and ssh URLs may reach a network; any other scheme is refused, because git
 * would run a helper for it. Text without a scheme is a local path. Throws InputError.
 */
export function parseRepository(text: string): Repository {
  if (text === "" || hasControl(text)) throw refused(text, EXPECTED);
  if (text.startsWith("-")) {
    throw refused(text, `${EXPECTED}; it begins with "-", which git would take for an option`);
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*::/.test(text)) {
    throw refused(text, `${EXPECTED}; "::" names a git remote helper, which is never run`);
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return parseUrl(text);
  const scp = text.startsWith("/") || text.startsWith(".") ? null : SCP_LIKE.exec(text);
  if (scp) {
    const [, user = "git", host = "", path = ""] = scp;
    // Unlike in an ssh URL, a path without a leading "/" is relative to the user's home.
    return { ...parseUrl(`ssh://${user}@${host}/${path}`), url: `${user}@${host}:${path}` };
  }
  return { kind: "local", path: text };
}

/** Throws InputError for a ref that git refuses as a name or takes for an option. */
export function checkRef(ref: string): void {
  const bad = ref.startsWith("-") || ref.startsWith("/") || ref.endsWith("/") || ref.endsWith(".") ||
    ref.endsWith(".lock") || /\.\.|@\{|\/\/|\/\.|\.lock\/|[\s~^:?*[\\]/.test(ref) || ref === "@" ||
    ref.startsWith(".") || hasControl(ref) || ref === "";
  if (bad) {
    throw new InputError(
      `Invalid ref ${JSON.stringify(ref)}: expected the name of a branch or tag, or a commit`,
    );
  }
}

function parseUrl(text: string): Repository & { kind: "remote" } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = url?.protocol.slice(0, -1);
  if (!url || url.hostname === "") throw refused(text, EXPECTED);
  if (protocol !== "https" && protocol !== "ssh") {
    throw refused(text, `${EXPECTED}; the protocol "${protocol}" is not allowed`);
  }
  if (url.password !== "" || (protocol === "https" && url.username !== "")) {
    throw refused(text, "expected a URL without credentials; give them with --git-token HOST=FILE");
  }
  // A password that is not encoded can end the host name early: the rest would be shown as a path.
  if (/[?#]|^[^:]+:\/\/[^/]*\/.*@/s.test(text)) {
    throw refused(
      text,
      'expected a URL without "?", "#", and "@" behind its host (%40 in a path); give credentials with --git-token HOST=FILE',
    );
  }
  // ssh takes a host or user that begins with "-" for an option.
  if (/^-/.test(url.hostname) || /^-/.test(decodeURIComponent(url.username))) throw refused(text, EXPECTED);
  // URL does not lower-case the host of an ssh URL.
  return { kind: "remote", url: text, protocol, host: url.hostname.toLowerCase() };
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f]/.test(text);
}

function refused(text: string, expected: string): InputError {
  return new InputError(`Invalid repository ${JSON.stringify(shownUrl(text))}: ${expected}`);
}
