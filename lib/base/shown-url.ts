/** Schemes whose URLs may have a token in place of the user name. */
const WITH_TOKENS = /^(?:https?|nats|tls):/i;

/**
 * Returns a URL, or text given in place of one, for messages: without credentials, query and fragment. An
 * unencoded password may contain `@`, `/` and `#`, so everything up to the last `@` is removed.
 */
export function shownUrl(text: string): string {
  const { scheme, login, host } = partsOf(text);
  const isSecret = login !== undefined && (WITH_TOKENS.test(scheme) || login.includes(":"));
  const address = joined(isSecret ? "…" : login, host);
  return `${scheme}${scheme === "" ? address : address.replace(/([?#])[\s\S]+$/, "$1…")}`;
}

/** Returns an address for messages, without its login of whatever kind. */
export function withoutLogin(text: string): string {
  const { scheme, login, host } = partsOf(text);
  return `${scheme}${joined(login === undefined ? undefined : "…", host)}`;
}

/** `host`: all that follows the login. */
function partsOf(text: string): { scheme: string; login: string | undefined; host: string } {
  const [, scheme = "", rest = ""] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?([\s\S]*)$/.exec(text) ?? [];
  const at = rest.lastIndexOf("@");
  return { scheme, login: at < 0 ? undefined : rest.slice(0, at), host: rest.slice(at + 1) };
}

const joined = (login: string | undefined, host: string): string =>
  login === undefined ? host : `${login}@${host}`;
