import assert from "node:assert/strict";
import { createHash, createHmac, createPrivateKey, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { rootCertificates } from "node:tls";
import { signedToken } from "../../lib/driver/conveyor/signed-token.ts";
import { publicAuthorities } from "../../lib/engine/http/certificate-chain.ts";
import { httpApi } from "../../lib/engine/http/api.ts";
import { looksSigned, signedTokenCheck } from "../../lib/engine/http/signed-token.ts";
import { captureLog } from "../support/process-log.ts";
import { openWorld } from "./support/world.ts";

/**
 * Made with openssl; the keys open nothing but these tests. Valid from 2020 to 2120 unless their name says
 * otherwise.
 */
const HERE = join(import.meta.dirname ?? "", "token-pki");
const CONVEYORS = join(import.meta.dirname ?? "", "../conveyor/pki");
const NOW = Date.UTC(2030, 0, 1, 12);

const read = (folder: string, file: string): string => readFileSync(join(folder, file), "utf8");
const identity = (name: string, folder = HERE) => ({
  cert: read(folder, `${name}.pem`),
  key: read(folder, `${name}.key`),
});
const authorities = [
  join(HERE, "ca.pem"),
  join(HERE, "old-ca.pem"),
  join(HERE, "usage-ca.pem"),
  join(HERE, "servers-ca.pem"),
  join(CONVEYORS, "ca.pem"),
].map((file) => new X509Certificate(readFileSync(file)));
const whyNot = signedTokenCheck({ authorities, clock: () => NOW });

const seconds = Math.floor(NOW / 1000);
const chainOf = (cert: string) =>
  (cert.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map((pem) =>
    new X509Certificate(pem).raw
  );
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

interface Parts {
  head?: object;
  claims?: object;
  /** In the place of the signature by the key. */
  seal?: (signed: string) => string;
}

/** A token as our own signer makes it, with parts of it changed before it is signed. */
function token({ head = {}, claims = {}, seal }: Parts = {}, { cert, key } = identity("good")): string {
  const [leaf = Buffer.alloc(0), ...more] = chainOf(cert);
  const allClaims = {
    cnf: { "x5t#S256": createHash("sha256").update(leaf).digest("base64url") },
    exp: seconds + 120,
    iat: seconds - 60,
    ...claims,
  };
  const x5c = [leaf, ...more].map((der) => der.toString("base64"));
  const signed = `${encoded({ alg: "ES256", typ: "JWT", x5c, ...head })}.${encoded(allClaims)}`;
  const withKey = () =>
    sign("sha256", Buffer.from(signed), { key: createPrivateKey(key), dsaEncoding: "ieee-p1363" }).toString(
      "base64url",
    );
  return `${signed}.${seal ? seal(signed) : withKey()}`;
}

test("signedTokenCheck accepts what our own drivers sign, of each kind of key, through a certificate in between", () => {
  for (const name of ["rs256", "es256", "es384", "es512"]) {
    assert.equal(whyNot(signedToken(identity(name, CONVEYORS), NOW)), undefined, name);
  }
  for (const name of ["good", "client", "both", "any"]) {
    assert.equal(whyNot(signedToken(identity(name), NOW)), undefined, name);
  }
  assert.equal(whyNot(token()), undefined);
  const jkt = createHash("sha256").update(chainOf(identity("good").cert)[0] ?? "").digest("base64url");
  assert.equal(whyNot(token({ claims: { cnf: { jkt } } })), undefined);
});

test("signedTokenCheck allows for a clock that is a little off, and not for more", () => {
  for (
    const [ms, expected] of [[-85_000, undefined], [-95_000, /ahead/], [145_000, undefined], [
      155_000,
      /expired/,
    ]] as const
  ) {
    const why = signedTokenCheck({ authorities, clock: () => NOW + ms })(token());
    if (expected) assert.match(why ?? "", expected);
    else assert.equal(why, undefined, String(ms));
  }
});

const certificate = identity("good").cert;
const hmac = (secret: string | Buffer) => (signed: string) =>
  createHmac("sha256", secret).update(signed).digest("base64url");
const other = (name: string) => token({}, identity(name));
const tampered = () => {
  const [head, , signature] = token().split(".");
  const [, claims] = token({ claims: { exp: seconds + 121 } }).split(".");
  return `${head}.${claims}.${signature}`;
};

/** Each way to be wrong, and what our own log says of it. */
const WRONG: readonly (readonly [what: string, token: () => string, why: RegExp])[] = [
  ["has expired", () => token({ claims: { exp: seconds - 31, iat: seconds - 200 } }), /^It has expired$/],
  [
    "is not valid yet",
    () => token({ claims: { iat: seconds + 60, exp: seconds + 120 } }),
    /^It is not valid yet/,
  ],
  ["is not to be used yet", () => token({ claims: { nbf: seconds + 60 } }), /^It is not valid yet/],
  [
    "is good for too long",
    () => token({ claims: { exp: seconds + 3600 } }),
    /^It is valid for more than 5 minutes$/,
  ],
  ["never expires", () => token({ claims: { exp: undefined } }), /^It has no iat and exp claims/],
  ["expires at a text", () => token({ claims: { exp: "9999999999" } }), /^It has no iat and exp claims/],
  [
    "says not when it was issued",
    () => token({ claims: { iat: undefined } }),
    /^It has no iat and exp claims/,
  ],
  ["was tampered with", tampered, /^Its signature is not/],
  ["has no signature", () => token({ seal: () => "" }), /^Its signature is not/],
  [
    "is signed by another key",
    () => token({}, { cert: certificate, key: identity("client").key }),
    /^Its signature/,
  ],
  [
    "is of the algorithm none",
    () => token({ head: { alg: "none" }, seal: () => "" }),
    /^Its algorithm is not ES256/,
  ],
  [
    "is sealed with the certificate as a password",
    () => token({ head: { alg: "HS256" }, seal: hmac(certificate) }),
    /^Its algorithm is not ES256/,
  ],
  [
    "is sealed with the public key as a password",
    () =>
      token({
        head: { alg: "HS256" },
        seal: hmac(
          String(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "pem" })),
        ),
      }),
    /^Its algorithm is not ES256/,
  ],
  [
    "names the algorithm of another kind of key",
    () => token({ head: { alg: "RS256" } }),
    /^Its algorithm is not ES256/,
  ],
  ["names no algorithm", () => token({ head: { alg: undefined } }), /^Its algorithm is not ES256/],
  [
    "has headers that must be understood",
    () => token({ head: { crit: ["b64"], b64: false } }),
    /^It has critical/,
  ],
  [
    "is bound to another certificate",
    () => token({ claims: { cnf: { "x5t#S256": "x".repeat(43) } } }),
    /^It is not bound/,
  ],
  ["is bound to none", () => token({ claims: { cnf: undefined } }), /^It is not bound/],
  ["carries no certificate", () => token({ head: { x5c: undefined } }), /^It carries no certificate/],
  ["carries an empty list", () => token({ head: { x5c: [] } }), /^It carries no certificate/],
  [
    "carries PEM",
    () => token({ head: { x5c: [certificate] } }),
    /^Its certificates \(x5c\) are not in base64$/,
  ],
  ["carries nonsense", () => token({ head: { x5c: ["AAAA"] } }), /^It is not a JWT with/],
  [
    "carries six certificates",
    () => token({ head: { x5c: Array(6).fill("AAAA") } }),
    /^It carries more than 5/,
  ],
  [
    "is a stranger's",
    () => signedToken(identity("stranger", CONVEYORS), NOW),
    /^Its certificate is of no authority/,
  ],
  [
    "is of another authority of the same name",
    () => other("lookalike"),
    /^Its certificate is of no authority/,
  ],
  ["is signed by what is no authority", () => other("forged"), /^Its certificate is of no authority/],
  [
    "is of an expired certificate",
    () => other("expired"),
    /^A certificate that it carries is not valid at this/,
  ],
  [
    "is of a certificate of the future",
    () => other("early"),
    /^A certificate that it carries is not valid at this/,
  ],
  [
    "is of an authority that has expired",
    () => other("late"),
    /^The authority of its certificate is not valid/,
  ],
  [
    "is of a short RSA key",
    () => token({ head: { alg: "RS256" } }, identity("weak")),
    /^Its certificate's key is of no/,
  ],
  [
    "is of a kind of key that nobody asked for",
    () => token({ head: { alg: "EdDSA" }, seal: () => "AAAA" }, identity("ed25519")),
    /^Its certificate's key is of no accepted kind/,
  ],
  [
    "is of a server's certificate",
    () => other("server"),
    /^Its certificate is not for clients: .* clientAuth$/,
  ],
  ["is of a certificate for code", () => other("code"), /^Its certificate is not for clients: /],
  [
    "is of a certificate in between that is for servers only",
    () => other("of-between"),
    /^An authority of its certificate does not sign for clients: /,
  ],
  [
    "is of an authority for servers only",
    () => other("of-servers"),
    /^An authority of its certificate does not sign for clients: /,
  ],
  ["is no JSON", () => "e30x.e30x.e30x", /^It is not a JWT with/],
];

test("a token that is wrong in any way is answered alike, and our own log says why", async () => {
  await using world = await openWorld();
  await using engine = await world.engine();
  await using log = await captureLog();
  const fetch = httpApi({
    engine,
    store: world.store,
    token: "the-token",
    whyNotSigned: whyNot,
    isOurHost: () => true,
    resourceTypes: [],
    broadcast: () => Promise.resolve(),
    draining: new AbortController().signal,
  });
  const ask = async (token: string) => {
    const response = await fetch(
      new Request("http://here/x", { headers: { host: "here", authorization: `Bearer ${token}` } }),
    );
    const { request: _request, ...body } = await response.json() as Record<string, unknown>;
    return { status: response.status, body };
  };
  for (const good of ["the-token", token(), signedToken(identity("es512", CONVEYORS), NOW)]) {
    assert.equal((await ask(good)).status, 404);
  }
  assert.deepEqual(log.lines, []);
  const plain = await ask("wrong");
  assert.deepEqual(plain, { status: 401, body: { error: "Wrong token", code: "unauthorized" } });
  assert.deepEqual(log.lines, [], "a password that is wrong is no signed token");
  for (const [what, wrong, why] of WRONG) {
    const before: number = log.lines.length;
    assert.deepEqual(await ask(wrong()), plain, what);
    assert.deepEqual(log.lines.length, before + 1, what);
    const [, said = ""] = /^warning: Refused a signed token: (.*)$/.exec(log.lines.at(-1) ?? "") ?? [];
    assert.match(said, why, what);
  }
});

test("without an authority no signed token is accepted", async () => {
  await using world = await openWorld();
  await using engine = await world.engine();
  const fetch = httpApi({
    engine,
    store: world.store,
    token: "the-token",
    isOurHost: () => true,
    resourceTypes: [],
    broadcast: () => Promise.resolve(),
    draining: new AbortController().signal,
  });
  const headers = { host: "here", authorization: `Bearer ${signedToken(identity("good"), Date.now())}` };
  assert.equal((await fetch(new Request("http://here/x", { headers }))).status, 401);
});

test("publicAuthorities knows those of the world from our own", () => {
  const known = new X509Certificate(rootCertificates[0] ?? "");
  assert.deepEqual(publicAuthorities([...authorities, known]), [known]);
});

test("looksSigned tells a signed token from a password", () => {
  assert.ok(looksSigned(token()));
  for (const word of ["", "the-token", "a.b", "a.b.c.d", "a.b.c+", "a..c"]) {
    assert.ok(!looksSigned(word), word);
  }
});
