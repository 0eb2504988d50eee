import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { processLog } from "../../base/log.ts";
import { Problem } from "./problem.ts";
import type { Role } from "./router.ts";
import { looksSigned } from "./signed-token.ts";

/** Rejects requests whose Host is not ours (protects against DNS rebinding). */
export function hostGuard(isOurs: (hostname: string) => boolean): MiddlewareHandler {
  // Most requests have the same one, and parsing it takes longer than the rest of the check.
  let lastOfOurs: string | undefined;
  const isAccepted = (host: string): boolean => {
    if (host === lastOfOurs) return true;
    const url = URL.parse(`http://${host}`);
    if (!url || url.host !== host.toLowerCase().replace(/:80$/, "") || !isOurs(url.hostname)) return false;
    lastOfOurs = host;
    return true;
  };
  return async ({ req }, next) => {
    const host = req.header("host") ?? "";
    if (!isAccepted(host)) {
      throw new Problem(
        421,
        `Unknown host ${JSON.stringify(host)}: expected an address that this listens on`,
      );
    }
    await next();
  };
}

/** A token and its role. `name` names its holder, the submitter of runs. */
export interface NamedToken {
  readonly name: string;
  readonly role: Role;
  readonly token: string;
}

/**
 * The submitter of all requests with a signed token: their certificates name drivers and servers, not people.
 */
const SIGNED: Pick<NamedToken, "name" | "role"> = { name: "certificates", role: "admin" };

/**
 * Rejects requests without a valid token and sets the request's role and submitter. `whyNotSigned` returns
 * why a signed token is rejected; the reason goes to the process log only, and the caller gets "Wrong token".
 */
export function tokenGuard(
  tokens: readonly NamedToken[],
  whyNotSigned?: (token: string) => string | undefined,
): MiddlewareHandler {
  const known = tokens.map(({ token, ...holder }) => ({ wanted: digest(token), holder }));
  /** Compares in constant time: digests have equal length, and all tokens are compared even after a match. */
  const holderOf = (given: string) => {
    const sum = digest(given);
    return known.filter(({ wanted }) => timingSafeEqual(sum, wanted))[0]?.holder;
  };
  const signer = (given: string) => {
    if (!whyNotSigned || !looksSigned(given)) return undefined;
    const why = whyNotSigned(given);
    if (why === undefined) return SIGNED;
    processLog("http").warn("Refused a signed token: {why}", { why });
    return undefined;
  };
  return async (context, next) => {
    const { req, header } = context;
    const [, given] = /^Bearer +(\S+) *$/i.exec(req.header("authorization") ?? "") ?? [];
    const holder = given === undefined ? undefined : holderOf(given) ?? signer(given);
    if (!holder) {
      header("WWW-Authenticate", "Bearer");
      throw new Problem(
        401,
        given === undefined ? "No token: expected Authorization: Bearer …" : "Wrong token",
      );
    }
    context.set("role", holder.role);
    context.set("submitter", holder.name);
    await next();
  };
}

/** Lets pages of one origin call the API from a browser. Answers preflight requests, which carry no token. */
export function corsFor(origin: string): MiddlewareHandler {
  return cors({
    origin,
    allowMethods: ["GET", "POST", "PUT", "DELETE"],
    allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
    maxAge: 600,
  });
}

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
