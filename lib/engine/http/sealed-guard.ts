import type { MiddlewareHandler } from "hono";
import type { Clock } from "../../base/clock.ts";
import { looksSealed, type OpenedRequest, openRequest, PROOF_HEADER } from "../../wire/sealed-request.ts";
import type { NamedToken } from "./guards.ts";
import { Problem } from "./problem.ts";

/**
 * Opens sealed requests. The response to an opened request proves that this control plane knows the token
 * that sealed it. `limit` limits the body size. Requests that are not sealed go to `otherwise`.
 */
export function sealedGuard(
  tokens: readonly NamedToken[],
  { clock, limit, otherwise }: { clock: Clock; limit: MiddlewareHandler; otherwise: MiddlewareHandler },
): MiddlewareHandler {
  const open: MiddlewareHandler = async (context, next) => {
    const { raw } = context.req;
    const { pathname, search } = new URL(raw.url);
    const facts = {
      method: raw.method,
      path: `${pathname}${search}`,
      // Reads the raw request: hono would cache the sealed body.
      body: new Uint8Array(await raw.arrayBuffer()),
      now: clock(),
    };
    const authorization = raw.headers.get("authorization") ?? "";
    let opened: OpenedRequest | undefined;
    const used = tokens.find(({ token }) => opened = openRequest(token, authorization, facts));
    if (!opened || !used) throw new Problem(401, "Wrong token");
    if (!opened.isTimely) {
      context.header(PROOF_HEADER, opened.proof(401));
      throw new Problem(401, "The request is too old, or the clocks of caller and control plane are apart");
    }
    const { method, signal } = raw;
    const headers = new Headers(raw.headers);
    // The ciphertext had another type.
    headers.set("content-type", "application/json");
    const body = method === "GET" || method === "HEAD" ? undefined : opened.body as Uint8Array<ArrayBuffer>;
    context.set("role", used.role);
    context.set("submitter", used.name);
    context.req.raw = new Request(raw.url, { method, headers, signal, ...body && { body } });
    await next();
    context.res.headers.set(PROOF_HEADER, opened.proof(context.res.status));
  };
  return async (context, next) => {
    if (!looksSealed(context.req.header("authorization") ?? "")) return await otherwise(context, next);
    return await limit(context, async () => void await open(context, next));
  };
}
