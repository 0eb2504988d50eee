import { PermissionViolationError } from "@nats-io/transport-node";

/**
 * Returns what the broker's permissions denied, if that is the error or among its causes: "may not listen on
 * …".
 */
export function deniedIn(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof PermissionViolationError) return sentenceOf(cause);
  }
  return undefined;
}

function sentenceOf({ operation, subject }: PermissionViolationError): string {
  const shown = WITH_IDS.reduce((text, [pattern, general]) => text.replace(pattern, general), subject);
  return `This login may not ${operation === "publish" ? "publish" : "listen"} on "${shown}"`;
}

/**
 * Subjects with a part of their own in each message, run or reader, and the subject that a permission would
 * name. So the same refusal is the same sentence.
 */
const WITH_IDS: readonly (readonly [RegExp, string])[] = [
  [/^(_INBOX\.[^.]+)\..+$/, "$1.>"],
  // From the number of deliveries on.
  [/^(\$JS\.ACK\..+?)(\.\d+){5}(\..+)?$/, "$1.>"],
  [/^(\$JS\.API\.CONSUMER\..+)\.reader-.+$/, "$1.>"],
  [/^(\$JS\.API\.DIRECT\.GET\.[^.]+)\..+$/, "$1.>"],
  [/^(\$O\.[^.]+\.[CM])\..+$/, "$1.>"],
  [/^((?:live\.|dead\.[^.]+\.)?logs|runs)\.[^.]+/, "$1.*"],
];
