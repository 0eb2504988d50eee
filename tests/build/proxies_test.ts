import assert from "node:assert/strict";
import { test } from "node:test";
import { proxiesOf, shownProxy } from "../../lib/build/proxies.ts";
import { testPolicy } from "../support/settings.ts";

test("proxiesOf takes secrets before the spec's variables, and those before what the operator allows", () => {
  const policy = testPolicy({
    allowEnv: ["HTTPS_PROXY", "http_proxy", "NO_PROXY", "all_proxy", "PATH"],
    environment: { HTTPS_PROXY: "o", http_proxy: "o", NO_PROXY: "o", no_proxy: "hidden", PATH: "/bin" },
  });
  const env = { HTTPS_PROXY: "e", http_proxy: "", ALL_PROXY: "e", OTHER: "e" };
  assert.deepEqual(proxiesOf({ policy, secrets: { HTTPS_PROXY: "s", TOKEN: "t" } }, { env }), {
    HTTPS_PROXY: "s",
    http_proxy: "",
    ALL_PROXY: "e",
    NO_PROXY: "o",
  });
  assert.deepEqual(proxiesOf({ policy: testPolicy(), secrets: {} }, { env: {} }), {});
});

test("shownProxy shows an address without its login, on one line", () => {
  const cases = {
    "http://proxy.example:3128": "http://proxy.example:3128",
    "http://joe:pass@word@proxy.example:3128/": "http://…@proxy.example:3128/",
    "socks5h://token@[::1]:1080": "socks5h://…@[::1]:1080",
    "joe:pass@proxy:3128": "…@proxy:3128",
    "localhost,.example.org,10.0.0.0/8": "localhost,.example.org,10.0.0.0/8",
    "a\nb": "a; b",
    "": "",
  };
  for (const [value, shown] of Object.entries(cases)) assert.equal(shownProxy(value), shown);
  assert.equal(shownProxy("x".repeat(1000)).length, 200);
});
