/** Schemes whose URLs may have a token in place of the user name. */
const WITH_TOKENS = /^(?:https?|nats|tls):/i;

/**
 * Returns a URL, or text given in place of one, for messages: without credentials, query and fragment. An
 * unencoded password may contain `@`, `/` and `#`, so everything up to the last `@` is removed.
 */
export function shownUrl(text: string): string {
  const [, scheme = "", rest = ""] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?([\s\S]*)$/.exec(text) ?? [];
  const at = rest.lastIndexOf("@");
  const isLogin = at !== -1 && (WITH_TOKENS.test(scheme) || rest.slice(0, at).includes(":"));
  const address = isLogin ? `…${rest.slice(at)}` : rest;
  return `${scheme}${scheme === "" ? address : address.replace(/([?#])[\s\S]+$/, "$1…")}`;
}
