import { startTimer, stopTimer } from "../../base/timers.ts";

/** Wakes those in this process who wait for news; a ring that nobody waits for is forgotten. */
export class Bell {
  readonly #waiting = new Set<() => void>();

  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  ring(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** True at the next ring or as soon as a signal fires, false after `ms`, whichever comes first. Never rejects. */
  wait(ms: number, signals: readonly AbortSignal[]): Promise<boolean> {
    return new Promise((resolve) => {
      if (signals.some((signal) => signal.aborted)) return resolve(true);
      const end = (rung: boolean) => {
        stopTimer(timer);
        this.#waiting.delete(wake);
        for (const signal of signals) signal.removeEventListener("abort", wake);
        resolve(rung);
      };
      const wake = () => end(true);
      const timer = startTimer(() => end(false), Math.max(1, ms));
      this.#waiting.add(wake);
      for (const signal of signals) signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** A bell for every key that somebody waits on. */
export class Bells {
  readonly #bells = new Map<string, Bell>();

  ring(key: string): void {
    this.#bells.get(key)?.ring();
  }

  /** As `Bell.wait`. */
  async wait(key: string, ms: number, signals: readonly AbortSignal[]): Promise<boolean> {
    const bell = this.#bells.get(key) ?? new Bell();
    this.#bells.set(key, bell);
    const rung = await bell.wait(ms, signals);
    if (bell.isIdle && this.#bells.get(key) === bell) this.#bells.delete(key);
    return rung;
  }
}
