import { Retryable } from "../../base/errors.ts";
import type { Transport } from "../../backend/transport.ts";
import { answerMac, ClaimReply, type ClaimRequest, progressProof, renewalProof } from "../../wire/claim.ts";
import { isSame } from "../../wire/signature.ts";
import { subjects } from "../../wire/subjects.ts";
import { parseJson } from "../../base/json.ts";

const decoder = new TextDecoder();

/**
 * Asks the engine whether this instance may start a step or continue it. Throws `Retryable` if no valid
 * answer arrives within `timeoutMs`.
 */
export async function askClaim(
  transport: Transport,
  { run, driver }: { run: string; driver: string },
  request: ClaimRequest,
  options: { timeoutMs: number },
): Promise<ClaimReply> {
  const answer = await transport.request(subjects.claim(run, driver), JSON.stringify(request), options);
  const reply = ClaimReply.safeParse(parsed(decoder.decode(answer)));
  if (reply.success) return reply.data;
  throw new Retryable(`Cannot understand the engine's answer to the claim of step "${request.step}"`, {
    cause: reply.error,
    reason: "transport-unreachable",
  });
}

/**
 * As `askClaim`, for an attempt that was granted: proves that it has the attempt's key, and accepts only an
 * answer that proves the same. Throws `Retryable` on any other.
 */
export async function askAgain(
  transport: Transport,
  to: { run: string; driver: string },
  request: ClaimRequest,
  { key, timeoutMs }: { key: string; timeoutMs: number },
): Promise<ClaimReply> {
  const named = { ...request, nonce: crypto.randomUUID() };
  const proofs = {
    proof: renewalProof(key, named),
    ...named.progress !== undefined && { progressProof: progressProof(key, named) },
  };
  const reply = await askClaim(transport, to, { ...named, ...proofs }, { timeoutMs });
  if (isSame(reply.mac ?? "", answerMac(key, named.nonce, reply))) return reply;
  throw new Retryable(`The answer to the claim of step "${request.step}" is not the engine's`, {
    reason: "transport-unreachable",
  });
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
