import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";

const SECRET = `p/ss+w0rd "ü" & 'more'?`;

test("maskOf hides a secret in every encoding in which it may show up", () => {
  const mask = maskOf({ TOKEN: SECRET });
  const bytes = Buffer.from(SECRET);
  const forms = {
    plain: SECRET,
    hex: bytes.toString("hex"),
    HEX: bytes.toString("hex").toUpperCase(),
    url: encodeURIComponent(SECRET),
    "form-encoded": new URLSearchParams({ a: SECRET }).toString().slice(2),
    JSON: JSON.stringify(SECRET).slice(1, -1),
    "JSON in JSON": JSON.stringify(JSON.stringify(SECRET)).slice(3, -3),
    "ASCII JSON": JSON.stringify(SECRET).slice(1, -1).replaceAll("ü", "\\u00fc"),
    "Go's JSON": JSON.stringify(SECRET).slice(1, -1).replaceAll("&", "\\u0026"),
    "a shell's trace": SECRET.replaceAll("'", `'\\''`),
  };
  for (const [name, form] of Object.entries(forms)) {
    assert.equal(mask.text(`<${form}>`), "<***>", `${name}: ${form}`);
  }
});

test("maskOf hides a secret in base64, plain and for URLs, whatever stands around it", () => {
  const long = fc.string({ unit: "binary", minLength: 6, maxLength: 90 }).map((text) => text.toWellFormed());
  const bytes = fc.uint8Array({ maxLength: 12 });
  fc.assert(
    fc.property(long, bytes, bytes, (secret, before, after) => {
      const mask = maskOf({ S: secret });
      const whole = Buffer.concat([before, Buffer.from(secret), after]);
      for (const encoding of ["base64", "base64url"] as const) {
        const shown = mask.text(whole.toString(encoding));
        assert.ok(shown.includes("***"), shown);
        // What is left holds nothing but the neighbours, and at either side six bits that they share with the
        // secret.
        assert.ok(
          shown.length <= Math.ceil(before.length * 8 / 6) + 3 + Math.ceil(after.length * 8 / 6) + 4,
          shown,
        );
      }
    }),
    { numRuns: 30 },
  );
});

test("maskOf hides each line of a secret with several", () => {
  const mask = maskOf({ KEY: "-----BEGIN KEY-----\r\n  first line\nsecond line\n-----END KEY-----\n" });
  for (const line of ["-----BEGIN KEY-----", "first line", "second line", "-----END KEY-----"]) {
    assert.equal(mask.text(`> ${line}`), "> ***");
  }
});

test("maskOf leaves secrets of one or two characters alone and says which they are", () => {
  const mask = maskOf({ A: "a", AB: "ab", NONE: "", ABC: "abc" });
  assert.deepEqual(mask.tooShort, ["A", "AB"]);
  assert.equal(mask.text("a cab in a lab: abc"), "a cab in a lab: ***");
});

test("maskOf takes overlapping secrets out together", () => {
  const mask = maskOf({ A: "abcd", B: "cdef", C: "abcdefgh" });
  assert.equal(mask.text("_abcdef_"), "_***_");
  assert.equal(mask.text("_abcdefgh_"), "_***_");
  assert.equal(mask.text("abcd abcd"), "*** ***");
});

test("maskOf finds a secret among any others, at any place", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 3, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), word, word, (secrets, before, after) => {
      const mask = maskOf(Object.fromEntries(secrets.entries()));
      for (const secret of secrets) {
        const shown = mask.text(before + secret + after);
        for (const secret of secrets) assert.ok(!shown.includes(secret), `${shown} has ${secret}`);
      }
    }),
  );
});

test("maskOf masks every string and key of a value that people made, and keeps all the rest", () => {
  const mask = maskOf({ A: "hunter2", N: "123456" });
  const value = JSON.parse(
    '{"a":["x hunter2",1,null,true,123456],"hunter2":{"__proto__":{"b":"hunter2"}},"n":1234567}',
  );
  assert.equal(
    JSON.stringify(mask.value(value)),
    '{"a":["x ***",1,null,true,123456],"***":{"__proto__":{"b":"***"}},"n":1234567}',
  );
});

test("maskOf leaves what programs read as it is, whatever a secret happens to be", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const id = "6d1f0c7e-1111-4222-8333-0123456789ab";
  const data = {
    commit,
    ref: "refs/heads/main",
    containerID: commit,
    reason: "timeout",
    host: "host-1",
    id,
    n: 1234,
  };
  const mask = maskOf({
    A: "commit",
    B: "0123",
    C: "main",
    D: "timeout",
    E: "host-1",
    F: "1234",
    G: "containerID",
  });
  assert.deepEqual(mask.value(data), data);
  assert.deepEqual(mask.value({ text: `${commit} on main`, commits: ["main"] }), {
    text: "***56789abcdef***56789abcdef***567 on ***",
    "***s": ["***"],
  });
});

test("maskOf masks an id that is a secret itself", () => {
  const token = "0123456789abcdef0123456789abcdef";
  assert.deepEqual(maskOf({ A: token }).value({ token }), { token: "***" });
});

test("maskOf without secrets finds nothing and changes nothing", () => {
  const mask = maskOf({});
  const value = { a: ["b"] };
  assert.equal(mask.value(value), value);
  assert.equal(mask.longest, 0);
  assert.deepEqual(mask.scanner().find(Buffer.from("abc"), 0, 3), []);
});
