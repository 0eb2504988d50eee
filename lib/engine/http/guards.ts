import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { processLog } from "../../base/log.ts";
import { Problem } from "./problem.ts";
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

/**
 * Lets through only what has the token, or one that an authority of ours vouches for: `whyNotSigned` tells why a token is none
 * of those, and undefined where it is one. The reason is for our own log; who asks learns that the token is wrong.
 */
export function tokenGuard(
  token: string,
  whyNotSigned?: (token: string) => string | undefined,
): MiddlewareHandler {
  const wanted = digest(token);
  // Digests have the same length, whatever was given.
  const isOurs = (given: string) => timingSafeEqual(digest(given), wanted);
  const isSigned = (given: string) => {
    if (!whyNotSigned || !looksSigned(given)) return false;
    const why = whyNotSigned(given);
    if (why !== undefined) processLog("http").warn("Refused a signed token: {why}", { why });
    return why === undefined;
  };
  return async ({ req, header }, next) => {
    const [, given] = /^Bearer +(\S+) *$/i.exec(req.header("authorization") ?? "") ?? [];
    if (given === undefined || !(isOurs(given) || isSigned(given))) {
      header("WWW-Authenticate", "Bearer");
      throw new Problem(
        401,
        given === undefined ? "No token: expected Authorization: Bearer …" : "Wrong token",
      );
    }
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
    header("Access-Control-Allow-Methods", "GET, POST");
    header("Access-Control-Allow-Headers", "Authorization, Content-Type");
    header("Access-Control-Max-Age", "600");
    return body(null, 204);
  };
}

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
