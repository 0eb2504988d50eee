import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";

/** Waiting time before a call is repeated, milliseconds: many times what an idle broker needs. */
const RESEND_MS = 1000;

/**
 * Runs a call that may safely be executed several times. In a cluster only the leader of a stream or consumer
 * answers: if its node dies, pending requests are lost, and there is no error until a new leader is elected.
 * So the call is repeated after one second, two more, four more, while the earlier ones stay pending (a busy
 * broker answers late). The first outcome counts, even if it is the timeout of the first call.
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
