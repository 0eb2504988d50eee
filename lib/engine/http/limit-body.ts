import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Problem } from "./problem.ts";

/** Largest request body in bytes: a spec of 256 KiB as JSON, and the rest of the submission. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Limits a request's body while it is read. Throws Problem 413. */
export const bodyLimited = (maxSize = MAX_BODY_BYTES) =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new Problem(413, `The body is too large: expected ${maxSize} bytes at most`);
    },
  });

/** Runs `work`, which reads the body, with the limit of `MAX_BODY_BYTES`. Throws Problem 413. */
export async function limitBody(context: Context, work: () => Promise<Response>): Promise<Response> {
  let response: Response | undefined;
  await bodyLimited()(context, async () => {
    response = await work();
  });
  if (!response) throw new Error("The body was not read");
  return response;
}
