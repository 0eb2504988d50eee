import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import {
  brokerUrls,
  hostFile,
  hostPort,
  httpUrl,
  oneOf,
  positiveNumber,
  servedHostPort,
  subjectToken,
  variable,
  variableName,
  wholeNumber,
} from "../../lib/driver/program/command-line/values.ts";

/** Refuses each text with an InputError that quotes it and says what was expected. */
function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error: unknown) =>
        error instanceof InputError && error.message.includes(`"${text}"`) &&
        error.message.includes(": expected "),
      JSON.stringify(text),
    );
  }
}

test("wholeNumber takes digits from its least value on", () => {
  assert.equal(wholeNumber(0)("0"), 0);
  assert.equal(wholeNumber(1)("4096"), 4096);
  refuses(wholeNumber(1), ["0", "-1", "1.5", "1e3", "", "two", " 1", "0x10", "99999999999999999999"]);
});

test("positiveNumber takes fractions, and nothing that is zero or less", () => {
  assert.equal(positiveNumber("1.5"), 1.5);
  assert.equal(positiveNumber("2"), 2);
  refuses(positiveNumber, ["0", "0.0", "-2", "", "Infinity", "NaN", "1e9", "1,5"]);
});

test("oneOf takes its words only", () => {
  assert.equal(oneOf(["never", "always"])("never"), "never");
  assert.throws(() => oneOf(["a", "b", "c"])("d"), /expected a, b or c/);
  refuses(oneOf(["never", "always"]), ["Never", "", "constructor"]);
});

test("variable takes NAME=VALUE, with more signs in the value, or a bare NAME", () => {
  assert.deepEqual(variable("A=b=c"), { name: "A", value: "b=c" });
  assert.deepEqual(variable("A="), { name: "A", value: "" });
  assert.deepEqual(variable("PATH_2"), { name: "PATH_2", value: undefined });
  for (const text of ["=x", "2A=b", "A B=c", "", "A-B"]) {
    assert.throws(() => variable(text), InputError, text);
  }
  refuses(variableName, ["", "A=b", "-e", "Ä"]);
});

test("hostFile takes HOST=FILE, the host in any letter case", () => {
  assert.deepEqual(hostFile("Git.Example.com=a=b.txt"), { host: "git.example.com", file: "a=b.txt" });
  refuses(hostFile, ["git.example.com", "=file", "host=", "https://host=file", "-oProxyCommand=x", "a b=c"]);
});

test("hostPort takes names and addresses of both kinds", () => {
  assert.deepEqual(hostPort("127.0.0.1:9090"), { host: "127.0.0.1", port: 9090 });
  assert.deepEqual(hostPort("[::1]:0"), { host: "::1", port: 0 });
  refuses(hostPort, ["9090", ":9090", "host", "host:", "host:70000", "::1:80", "host:8a", "http://a:1"]);
});

test("servedHostPort takes no port 0, which nothing serves", () => {
  assert.deepEqual(servedHostPort("[::1]:9090"), { host: "::1", port: 9090 });
  refuses(servedHostPort, ["127.0.0.1:0", "9090"]);
});

test("brokerUrls takes several addresses, and completes a bare one", () => {
  assert.deepEqual(brokerUrls("nats://a:4222, tls://b"), ["nats://a:4222", "tls://b"]);
  assert.deepEqual(brokerUrls("10.0.0.1:4222"), ["nats://10.0.0.1:4222"]);
  refuses(brokerUrls, ["http://a:4222", "", "nats://", "nats://a:x"]);
});

test("URLs with credentials are refused without saying them", () => {
  for (const parse of [brokerUrls, httpUrl]) {
    const scheme = parse === httpUrl ? "http" : "nats";
    for (const text of [`${scheme}://me:hunter2@host:1`, `${scheme}://hunter2@host:1`]) {
      assert.throws(
        () => parse(text),
        (error: unknown) => error instanceof InputError && !error.message.includes("hunter2"),
      );
    }
  }
});

test("httpUrl takes http and https, and drops slashes at the end", () => {
  assert.equal(httpUrl("https://ci.example.com/base/"), "https://ci.example.com/base");
  refuses(httpUrl, ["ftp://a", "ci.example.com", "", "http://"]);
});

test("subjectToken takes what may stand in a subject", () => {
  assert.equal(subjectToken("flutter-builder_2"), "flutter-builder_2");
  refuses(subjectToken, ["a.b", "a b", "*", ">", "", "x".repeat(129)]);
});
