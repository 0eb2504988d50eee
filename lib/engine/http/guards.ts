import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { processLog } from "../../base/log.ts";
import { Problem } from "./problem.ts";
import type { Role } from "./router.ts";
import { looksSigned } from "./signed-token.ts";

/**
 * Lets through only what asks for us by a name of ours: a page of somebody else whose name leads here (DNS rebinding) asks
 * by that name.
 */
export function hostGuard(isOurs: (hostname: string) => boolean): MiddlewareHandler {
  return async ({ req }, next) => {
    const host = req.header("host") ?? "";
    const url = URL.parse(`http://${host}`);
    if (!url || url.host !== host.toLowerCase().replace(/:80$/, "") || !isOurs(url.hostname)) {
      throw new Problem(
        421,
        `Unknown host ${JSON.stringify(host)}: expected an address that this listens on`,
      );
    }
    await next();
  };
}

/** A token, and what it allows. `name` is for our own log. */
export interface NamedToken {
  readonly name: string;
  readonly role: Role;
  readonly token: string;
}

/**
 * Rejects requests without one of the tokens, and notes the role of the one given. `whyNotSigned` returns why a signed token is
 * rejected; the reason is for our own log, and the caller learns that the token is wrong.
 */
export function tokenGuard(
  tokens: readonly NamedToken[],
  whyNotSigned?: (token: string) => string | undefined,
): MiddlewareHandler {
  const known = tokens.map(({ token, role }) => ({ wanted: digest(token), role }));
  /** Digests have the same length, whatever was given; all are compared, whichever is found. */
  const roleOfOurs = (given: string): Role | undefined => {
    const sum = digest(given);
    return known.filter(({ wanted }) => timingSafeEqual(sum, wanted))[0]?.role;
  };
  const roleOfSigned = (given: string): Role | undefined => {
    if (!whyNotSigned || !looksSigned(given)) return undefined;
    const why = whyNotSigned(given);
    if (why === undefined) return "admin";
    processLog("http").warn("Refused a signed token: {why}", { why });
    return undefined;
  };
  return async (context, next) => {
    const { req, header } = context;
    const [, given] = /^Bearer +(\S+) *$/i.exec(req.header("authorization") ?? "") ?? [];
    const role = given === undefined ? undefined : roleOfOurs(given) ?? roleOfSigned(given);
    if (role === undefined) {
      header("WWW-Authenticate", "Bearer");
      throw new Problem(
        401,
        given === undefined ? "No token: expected Authorization: Bearer …" : "Wrong token",
      );
    }
    context.set("role", role);
    await next();
  };
}

/** Lets pages of one origin call us from a browser, which asks first, without a token. */
export function corsFor(origin: string): MiddlewareHandler {
  return async ({ req, header, body }, next) => {
    header("Vary", "Origin");
    if (req.header("origin") !== origin) return await next();
    header("Access-Control-Allow-Origin", origin);
    if (req.method !== "OPTIONS") return await next();
    header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE");
    header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
    header("Access-Control-Max-Age", "600");
    return body(null, 204);
  };
}

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
