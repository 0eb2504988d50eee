import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Asked,
  checkFileRequests,
  FILE_LIMITS,
  FILE_RULES,
} from "../../lib/cli/shared/request/file-requests.ts";
import { BuildSpec } from "../../lib/build/spec.ts";

const nothing: Asked = { flags: {}, env: [], folder: "/here" };

function refusal(spec: Record<string, unknown>, asked: Partial<Asked> = {}, elsewhere = false): string {
  try {
    checkFileRequests(spec, { ...nothing, ...asked }, { elsewhere });
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * For each field that reaches out of the build: what a file may not ask for by itself, and the words that
 * allow it.
 */
const ASKING: Record<
  string,
  { value: unknown; refused: RegExp; allowed?: Partial<Asked>; harmless: unknown }
> = {
  repository: {
    value: "/home/me/private",
    refused: /^spec\.repository: The folder "\/home\/me\/private" .*: name it on the command line$/,
    allowed: { folder: "/home/me/private" },
    harmless: "https://git.example.com/app.git",
  },
  env: {
    value: [{ name: "A", value: "1" }, { name: "B", valueFrom: "GITHUB_TOKEN" }],
    refused: /^spec\.env\.1\.valueFrom: .*"GITHUB_TOKEN".*: allow it with -e GITHUB_TOKEN$/,
    allowed: { env: ["GITHUB_TOKEN"] },
    harmless: [{ name: "A", value: "1" }],
  },
  dirty: {
    value: true,
    refused: /^spec\.dirty: .*: allow it with --dirty$/,
    allowed: { flags: { dirty: true } },
    harmless: false,
  },
  secrets: {
    value: ["KNOWN", "AWS_SECRET_ACCESS_KEY"],
    refused: /^spec\.secrets\.0: .*\nspec\.secrets\.1: .*: allow it with --secret AWS_SECRET_ACCESS_KEY$/,
    allowed: { flags: { secrets: ["AWS_SECRET_ACCESS_KEY", "KNOWN"] } },
    harmless: [],
  },
  network: {
    value: "host",
    refused: /^spec\.network: .*"host".*: allow it with --network host$/,
    allowed: { flags: { network: "host" } },
    harmless: "none",
  },
  keep: {
    value: "always",
    refused: /^spec\.keep: .*: allow it with --keep always$/,
    allowed: { flags: { keep: "never" } },
    harmless: "never",
  },
  privileged: { value: true, refused: /^spec\.privileged: /, harmless: false },
  cacheScope: {
    value: "default",
    refused: /^spec\.cacheScope: The scope "default" .*: allow it with --cache-scope default$/,
    allowed: { flags: { cacheScope: "default" } },
    harmless: 1,
  },
  limits: {
    value: { cpus: 64, memory: "1t", pids: 30_000, log: "2g", artifacts: "1t" },
    refused: new RegExp(
      "^spec\\.limits\\.pids: 30000 is more than the 4096 that the file may ask for: allow it with --pids 30000\n" +
        "spec\\.limits\\.log: 2\\.0 GiB is more .*--max-log 2g\n" +
        "spec\\.limits\\.artifacts: 1\\.0 TiB is more .*--max-artifacts 1t$",
    ),
    allowed: { flags: { limits: { pids: 1, log: "1k", artifacts: "1k" } } },
    harmless: { pids: 4096, log: "1g", artifacts: "2g" },
  },
};

test("checkFileRequests has a rule for every field of a spec, and of its limits, and none for others", () => {
  assert.deepEqual(Object.keys(FILE_RULES).sort(), Object.keys(BuildSpec.shape).sort());
  const limits = Object.keys(BuildSpec.shape.limits.unwrap().shape);
  assert.deepEqual(Object.keys(FILE_LIMITS).sort(), limits.sort());
  const asking = Object.entries(FILE_RULES).filter(([, { reach }]) => reach !== "the build");
  assert.deepEqual(Object.keys(ASKING).sort(), asking.map(([field]) => field).sort());
});

test("checkFileRequests refuses what only the command line may give away, unless it names it", () => {
  for (const [field, { value, refused, allowed, harmless }] of Object.entries(ASKING)) {
    assert.match(refusal({ [field]: value }), refused, field);
    assert.equal(refusal({ [field]: harmless }), "", field);
    if (allowed) assert.equal(refusal({ [field]: value }, allowed), "", field);
  }
});

test("checkFileRequests leaves elsewhere to the operator what is the operator's, and nothing of the caller's", () => {
  for (const [field, { value }] of Object.entries(ASKING)) {
    const isCallers = FILE_RULES[field as keyof BuildSpec].reach === "the caller";
    assert.equal(refusal({ [field]: value }, {}, true) !== "", isCallers, field);
  }
});

test("checkFileRequests lets a file name the folder that is built anyway, however it is written", () => {
  assert.equal(refusal({ repository: "/here" }), "");
  assert.equal(refusal({ repository: "/x/../here/." }), "");
  assert.notEqual(refusal({ repository: "/here/below" }), "");
});

test("checkFileRequests leaves values of a wrong type to the schema", () => {
  for (const value of [null, 1, "x", true, {}, [[]], [null], { a: {} }]) {
    for (const field of ["env", "secrets", "limits", "cache"]) {
      assert.doesNotMatch(refusal({ [field]: value }), /undefined|\[object/, field);
    }
  }
});
