import { Retryable } from "../base/errors.ts";
import type { Transport } from "../backend/transport.ts";
import { ClaimReply, type ClaimRequest } from "../wire/claim.ts";
import { subjects } from "../wire/subjects.ts";

const decoder = new TextDecoder();

/**
 * Asks the engine whether this instance may work on a step, or go on working. Throws `Retryable` when no answer comes
 * within `timeoutMs`, or none that makes sense.
 */
export async function askClaim(
  transport: Transport,
  run: string,
  request: ClaimRequest,
  options: { timeoutMs: number },
): Promise<ClaimReply> {
  const answer = await transport.request(subjects.claim(run), JSON.stringify(request), options);
  const reply = ClaimReply.safeParse(parsed(decoder.decode(answer)));
  if (reply.success) return reply.data;
  throw new Retryable(`Cannot understand the engine's answer to the claim of step "${request.step}"`, {
    cause: reply.error,
    reason: "transport-unreachable",
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
