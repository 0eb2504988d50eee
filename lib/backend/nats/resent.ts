import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";

/** So long an answer may take before the call is made once more, milliseconds: many times what a broker at rest needs. */
const RESEND_MS = 1000;

/**
 * The outcome of a call that may be carried out several times. In a cluster only the leader of a stream or consumer answers:
 * a node that is killed takes with it what it was asked, and until another one is elected, nobody answers and nobody says
 * so. All that shows is silence. So the call is made again after one second, two more, four more, while the earlier ones go
 * on (a broker under load answers late), and the first outcome counts, be it that the first call has waited long enough.
 */
export async function resent<T>(call: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let timer: Timer | undefined;
  const make = (patienceMs: number) => {
    timer = startTimer(() => make(2 * patienceMs), patienceMs);
    call().then(resolve, reject);
  };
  make(RESEND_MS);
  try {
    return await promise;
  } finally {
    stopTimer(timer);
  }
}
