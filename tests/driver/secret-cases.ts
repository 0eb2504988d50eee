import { type Choose, chooser } from "../support/chooser.ts";

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ANY = [..."abcXYZ0189", ..."+/=_-.~", ..."'\"\\$`&<>%!*(){}[]|;:,?#@^ ", "ü", "ß", "語", "😀"];

function text(choose: Choose, length: number, signs: readonly string[] = [...ALPHANUMERIC]): string {
  return Array.from({ length }, () => signs[choose(signs.length)]).join("");
}

/** Secrets of the kinds that people have. */
const SECRETS: Readonly<Record<string, (choose: Choose) => string>> = {
  token: (choose) => `ghp_${text(choose, 36)}`,
  short: (choose) => text(choose, 8 + choose(8)),
  password: (choose) => `${text(choose, 4)}${text(choose, 8 + choose(20), ANY)}${text(choose, 4)}`,
  base64: (choose) => text(choose, 40 + choose(40), [...ALPHANUMERIC, "+", "/"]),
  pem,
  serviceAccount,
};

function pem(choose: Choose): string {
  const lines = Array.from({ length: 5 }, () => text(choose, 64, [...ALPHANUMERIC, "+", "/"]));
  return ["-----BEGIN PRIVATE KEY-----", ...lines, `${text(choose, 30)}==`, "-----END PRIVATE KEY-----"].join(
    "\n",
  );
}

/** A cloud's key file: JSON with a private key in it. */
export function serviceAccount(choose: Choose): string {
  return JSON.stringify({
    type: "service_account",
    private_key: `${pem(choose)}\n`,
    client_id: text(choose, 21),
  });
}

/** The same case for the same number, with what else is to be chosen in it. */
export function caseOf(seed: number): { secret: string; choose: Choose } {
  const choose = chooser(seed);
  const kinds = Object.values(SECRETS);
  return { secret: kinds[choose(kinds.length)]?.(choose) ?? "", choose };
}
