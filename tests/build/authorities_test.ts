import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readAuthorities } from "../../lib/build/authorities/flag.ts";
import { joinAuthorities, parseAuthorities, shownAuthorities } from "../../lib/build/authorities/parse.ts";
import { planBuild, PlanError } from "../../lib/build/plan.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

/** Of the server git.corp.example, signed by "Corp Root". */
const SERVERS = `-----BEGIN CERTIFICATE-----
MIIBYDCCAQWgAwIBAgIUELscPGYw6+6GM1saWGdBWo1vWg8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJQ29ycCBSb290MCAXDTI2MTEzMDEzNDIwMFoYDzIxMzYwNjA2
MTM0MjAwWjAbMRkwFwYDVQQDDBBnaXQuY29ycC5leGFtcGxlMFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEFVkXrg7l1c8j5rexu3GfToytU7EptSnFoDM0okbIDVSY
hCiWkKaNDnr+uqov+1uMZ6H8wk56CIRE1fe7WeOwNqMsMCowCQYDVR0TBAIwADAd
BgNVHQ4EFgQUsXva+u4msq+ArNz9mR237DDS67MwCgYIKoZIzj0EAwIDSQAwRgIh
AK0IsUkh0xI0x8ctSpO9+tyVfBl7DRz2Dr8ldzk3A0X3AiEA5jEfzSk0sZXyFE25
x7bPhNXhgwEE/ehoK3E454zyFUs=
-----END CERTIFICATE-----`;

test("parseAuthorities keeps certificates, whatever stands between them and however lines end", () => {
  const { cert } = TEST_CERTIFICATE;
  const text = `subject=CN = localhost\n${cert.replaceAll("\n", "\r\n")}\n# again\n${cert}`;
  assert.deepEqual(parseAuthorities(text), { pem: cert + cert, names: ["localhost", "localhost"] });
});

test("parseAuthorities refuses what is no certificate of an authority, and says what it is", () => {
  const { cert, key } = TEST_CERTIFICATE;
  const refusals: [text: string, message: RegExp][] = [
    ["", /no certificate in PEM form/],
    ["hello\n", /no certificate in PEM form/],
    ["\x30\x82\x01\x79", /no certificate in PEM form/],
    [cert + key, /a private key in it/],
    [key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), /a private key in it/],
    [cert.replaceAll("CERTIFICATE", "CERTIFICATE REQUEST"), /a block "CERTIFICATE REQUEST"/],
    [cert.replace(/-----END.*\n/, ""), /cut off/],
    [cert + cert.replace("MII", "AAA"), /certificate 2 cannot be read/],
    ["-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", /certificate 1 cannot be read/],
    [SERVERS, /certificate 1, "git.corp.example", is no authority's: expected that of "Corp Root"/],
    [cert.repeat(300), /larger than 128 KiB/],
    ["-----BEGIN CERTIFICATE-----\n".repeat(4000), /cut off/],
  ];
  for (const [text, message] of refusals) {
    assert.throws(() => parseAuthorities(text), { name: "InputError", message }, text.slice(0, 60));
  }
});

test("shownAuthorities names three, each once, and counts the rest", () => {
  const named = (...names: string[]) => ({ pem: "", names });
  assert.equal(joinAuthorities(undefined, undefined), undefined);
  const all = joinAuthorities(named("a", "b"), named("b", 'c"\x1b', "d", "e"));
  assert.ok(all);
  assert.equal(shownAuthorities(all), '"a", "b", "c\\"\\u001b" and 2 more');
});

test("readAuthorities names the flag and a file that it cannot use", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ca-"));
  try {
    const files = {
      "key.pem": TEST_CERTIFICATE.key,
      "empty.pem": " \n",
      "large.pem": "x".repeat(1024 * 1024 + 1),
      "binary.der": Buffer.from([0x30, 0x82, 0xff, 0xfe]),
    };
    for (const [name, content] of Object.entries(files)) {
      const file = join(folder, name);
      await writeFile(file, content);
      await assert.rejects(
        readAuthorities({ ca: file }),
        (error: Error) =>
          error.name === "InputError" && error.message.startsWith("--ca: ") && error.message.includes(name),
      );
    }
    await assert.rejects(readAuthorities({ ca: folder }), /^InputError: --ca: Cannot read /);
    await assert.rejects(readAuthorities({ ca: join(folder, "none") }), /^InputError: --ca: Cannot read /);
    assert.equal(await readAuthorities({}), undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("planBuild refuses a spec.ca that is no authority's certificate", () => {
  const spec = { repository: "https://git.example.org/app.git", ca: TEST_CERTIFICATE.key };
  assert.throws(
    () => planBuild(spec, { ...testSettings(), ...testPolicy() }),
    (error) => error instanceof PlanError && /^spec\.ca: It has a private key in it/.test(error.message),
  );
});

test("parseAuthorities takes as much text as there may be", () => {
  const { cert } = TEST_CERTIFICATE;
  const whole = cert.padEnd(128 * 1024, "\n");
  assert.equal(parseAuthorities(whole).pem, cert);
  assert.throws(() => parseAuthorities(`${whole}\n`), /larger than 128 KiB/);
});
