import type { ControlPlane } from "./control-plane.ts";

/** Calls a control plane's API as its owner; the body is sent as JSON. */
export function clientOf(plane: ControlPlane) {
  return async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${await plane.token()}`, "content-type": "application/json" };
    const answer = await fetch(`${plane.url}${path}`, {
      method,
      headers,
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text, text };
  };
}
