/** Schemes whose URLs may have a token in the place of a user. */
const WITH_TOKENS = /^(?:https?|nats|tls):/i;

/**
 * A URL, or what was typed in the place of one, as a message may show it: without credentials, query and fragment. A password
 * that nobody encoded may hold `@`, `/` and `#`, so everything up to the last `@` is left out.
 */
export function shownUrl(text: string): string {
  const [, scheme = "", rest = ""] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?([\s\S]*)$/.exec(text) ?? [];
  const at = rest.lastIndexOf("@");
  const isLogin = at !== -1 && (WITH_TOKENS.test(scheme) || rest.slice(0, at).includes(":"));
  const address = isLogin ? `…${rest.slice(at)}` : rest;
  return `${scheme}${scheme === "" ? address : address.replace(/([?#])[\s\S]+$/, "$1…")}`;
}
