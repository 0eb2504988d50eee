import { InputError } from "../../base/errors.ts";
import { addresseeOfSecret } from "../../wire/secrets.ts";

/** The shortest secret that is searched for: a shorter value may be an ordinary word. */
const LEAST_LENGTH = 8;

/**
 * Throws InputError, one line per place, if the resource contains a secret: it is stored and shown unmasked.
 */
export function refuseOpenSecrets(resource: unknown, secrets: Readonly<Record<string, string>>): void {
  const values = Object.entries(secrets)
    .map(([name, value]) => ({ name, value: value.trim() }))
    .filter(({ value }) => value.length >= LEAST_LENGTH);
  if (values.length === 0) return;
  const problems: string[] = [];
  for (const { place, text } of textsOf(resource, "resource")) {
    const open = values.find(({ value }) => text.includes(value));
    if (open) {
      const instead = addresseeOfSecret(open.name) === undefined
        ? `the variable ${open.name} in its place`
        : "nothing of it";
      problems.push(
        `${place}: The value of the secret "${open.name}" stands there for all to see: expected ${instead}`,
      );
    }
  }
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}

function* textsOf(value: unknown, place: string): Generator<{ place: string; text: string }> {
  if (typeof value === "string") yield { place, text: value };
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield { place, text: key };
    yield* textsOf(inner, `${place}.${key}`);
  }
}
