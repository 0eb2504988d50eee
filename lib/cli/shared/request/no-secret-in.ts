import { InputError } from "../../../base/errors.ts";

/** Values shorter than this are not searched for: they match by chance. */
const LEAST_SECRET_CHARS = 4;

/**
 * Throws InputError if the spec contains the value of a secret, as in `-c "curl -H $TOKEN"`, where the
 * caller's shell expanded it. A spec is stored, shown and sent unmasked.
 */
export function checkNoSecretIn(
  spec: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, string>>,
): void {
  const values = Object.entries(secrets).filter(([, value]) => value.length >= LEAST_SECRET_CHARS);
  const problems: string[] = [];
  const look = (value: unknown, place: string): void => {
    if (typeof value === "string") {
      for (const [name, secret] of values) {
        if (!value.includes(secret)) continue;
        problems.push(
          `${place}: The value of the secret "${name}" stands in it: expected the variable instead, as in '$${name}'`,
        );
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [key, entry] of Object.entries(value)) look(entry, `${place}.${key}`);
    }
  };
  look(spec, "spec");
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}
