import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { refuseOpenSecrets } from "../../lib/engine/core/open-secrets.ts";

const secrets = { TOKEN: "hunter2-hunter2\n", WORD: "main" };

test("refuseOpenSecrets names every place in which a secret stands, and shows none", () => {
  const resource = {
    name: "app",
    spec: { env: [{ name: "AUTH", value: "Bearer hunter2-hunter2" }], "x-hunter2-hunter2": 1, ref: "main" },
  };
  assert.throws(() => refuseOpenSecrets(resource, secrets), (error: Error) => {
    assert.ok(error instanceof InputError);
    assert.deepEqual(error.message.split("\n").map((line) => line.split(":")[0]), [
      "resource.spec.env.0.value",
      "resource.spec",
    ]);
    assert.equal(error.message.includes("hunter2"), false);
    return true;
  });
});

test("refuseOpenSecrets asks for no variable in the place of what is meant for one driver only", () => {
  const secrets = { "git-cloner:git.example.com": "hunter2-hunter2" };
  assert.throws(
    () => refuseOpenSecrets({ name: "hunter2-hunter2" }, secrets),
    /^InputError: resource\.name: The value of the secret "git-cloner:git\.example\.com" .*: expected nothing of it$/,
  );
});

test("refuseOpenSecrets lets short words stand anywhere, and resources without secrets pass", () => {
  refuseOpenSecrets({ spec: { ref: "main", depth: 1, cache: null } }, secrets);
  refuseOpenSecrets({ spec: "hunter2-hunter2" }, {});
});
