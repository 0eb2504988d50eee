/** Our own headers. A message without them comes from a Conveyor server or one of its drivers. */
export const HEADERS = {
  /** On an event: `1` if its engine answers claims. */
  claims: "Conveyor-Claims",
  /** On an event, a result, a log batch: the step's id. */
  step: "Conveyor-Step",
  /** On a result and a log batch: the number of the attempt that produced it. */
  attempt: "Conveyor-Attempt",
  /** On a log batch: the number of its lines. */
  lines: "Conveyor-Lines",
  /**
   * On a result and a log batch of a claimed step: SHA-256 of its body, and the signature
   * (wire/signature.ts).
   */
  digest: "Conveyor-Digest",
  signature: "Conveyor-Signature",
} as const;
