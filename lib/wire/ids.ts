/**
 * Message ids, for deduplication per stream: the same work always has the same id, so that publishing it
 * twice has one effect.
 */
export const ids = {
  event: (run: string, step: string, dispatch: number) => `${run}/${step}/${dispatch}`,
  forwarded: (event: string, host: string) => `${event}@${host}`,
  result: (run: string, step: string, attempt: number) => `${run}/${step}/${attempt}`,
  /** The log line about a failed result. */
  failure: (result: string) => `${result}/failed`,
  logBatch: (run: string, step: string, attempt: number, firstLine: number) =>
    `${run}/${step}/${attempt}/${firstLine}`,
} as const;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for a UUID, the only form of run id that a Conveyor server or our engine creates. */
export const isRunId = (text: string): boolean => UUID.test(text);
