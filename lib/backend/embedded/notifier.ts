import { startTimer, stopTimer } from "../../base/timers.ts";

/** Wakes waiters in this process; a notification without a waiter is dropped. */
export class Notifier {
  readonly #waiting = new Set<() => void>();

  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves to true on the next `notify` or when the signal fires, to false after `ms`. Never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(true);
      const end = (isDue: boolean) => {
        stopTimer(timer);
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve(isDue);
      };
      const wake = () => end(true);
      const timer = startTimer(() => end(false), Math.max(1, ms));
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** One notifier per key that has waiters. */
export class Notifiers {
  readonly #notifiers = new Map<string, Notifier>();

  notify(key: string): void {
    this.#notifiers.get(key)?.notify();
  }

  /** As `Notifier.wait`. */
  async wait(key: string, ms: number, signal: AbortSignal): Promise<boolean> {
    const notifier = this.#notifiers.get(key) ?? new Notifier();
    this.#notifiers.set(key, notifier);
    const isDue = await notifier.wait(ms, signal);
    if (notifier.isIdle && this.#notifiers.get(key) === notifier) this.#notifiers.delete(key);
    return isDue;
  }
}
