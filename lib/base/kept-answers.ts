import { monotonicClock } from "./clock.ts";

/**
 * Answers that are kept for a while, by their question: callers share the one under way, and the answer for
 * `ms` after it came. An error is not kept.
 */
export class KeptAnswers<T> {
  readonly #ms: number;
  readonly #now: () => number;
  readonly #answers = new Map<string, { answer: Promise<T>; until: number }>();

  constructor(ms: number, now: () => number = monotonicClock) {
    this.#ms = ms;
    this.#now = now;
  }

  get(question: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(question);
    if (known && this.#now() < known.until) return known.answer;
    const kept = { answer: ask(), until: Infinity };
    this.#answers.set(question, kept);
    kept.answer.then(
      () => kept.until = this.#now() + this.#ms,
      () => kept.until = -Infinity,
    );
    return kept.answer;
  }
}
