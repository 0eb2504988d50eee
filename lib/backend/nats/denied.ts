import { PermissionViolationError } from "@nats-io/transport-node";

/** Returns what the broker's permissions denied, if that is the error or among its causes: "may not listen on …". */
export function deniedIn(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof PermissionViolationError) return sentenceOf(cause);
  }
  return undefined;
}

function sentenceOf({ operation, subject }: PermissionViolationError): string {
  // The end of an inbox is random: without it, the same refusal is the same sentence.
  const shown = subject.replace(/^(_INBOX\.[^.]+)\..+$/, "$1.>");
  return `This login may not ${operation === "publish" ? "publish" : "listen"} on "${shown}"`;
}
