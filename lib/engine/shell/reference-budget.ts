import { _, type Ajv, type KeywordDefinition } from "ajv";

/** A value led to more checks than any honest schema makes of it. */
export class TooManyChecksError extends Error {
  override readonly name = "TooManyChecksError";
}

/**
 * References that a check may follow, whatever the value's length, and for each character of its JSON text.
 */
const LEAST = 100_000;
const PER_CHARACTER = 4;

/**
 * Counts the references that a check follows. Without references a check takes time linear in the value; with
 * them each may lead to two more, so that a short schema can ask for more checks than there is time for.
 */
export class ReferenceBudget {
  #left = LEAST;
  #isMeasured = false;
  #value: unknown;

  /** Call before each check. */
  begin(value: unknown): void {
    this.#left = LEAST;
    this.#isMeasured = false;
    this.#value = value;
  }

  /** Throws TooManyChecksError if the check has followed too many. */
  readonly take = (): void => {
    if (--this.#left >= 0) return;
    if (this.#isMeasured) throw new TooManyChecksError();
    // Measured only for a value that needs it.
    this.#isMeasured = true;
    this.#left = (JSON.stringify(this.#value) ?? "").length * PER_CHARACTER;
  };
}

/** Lets every reference of the instance's schemas take from the budget. */
export function countReferences(ajv: Ajv, budget: ReferenceBudget): void {
  for (const keyword of ["$ref", "$dynamicRef", "$recursiveRef"]) {
    const known = ajv.getKeyword(keyword);
    if (typeof known !== "object" || !("code" in known) || !known.code) continue;
    const { code } = known;
    const counted: KeywordDefinition = {
      ...known,
      keyword,
      code(context, type) {
        const { gen } = context;
        gen.code(_`${gen.scopeValue("func", { ref: budget.take })}()`);
        code(context, type);
      },
    };
    ajv.removeKeyword(keyword);
    ajv.addKeyword(counted);
  }
}
