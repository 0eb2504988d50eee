import { spawnSync } from "node:child_process";
import { after as nodeAfter, before as nodeBefore, test as nodeTest } from "node:test";
import { natsProgram } from "./nats-program.ts";
import { TEST_IMAGE } from "./test-image.ts";

type Work = () => void | PromiseLike<void> | undefined;

/**
 * As in `node:test`. If the machine lacks something, tests are skipped with that reason, and hooks do
 * nothing.
 */
export interface Tests {
  test(title: string, work: Work): void;
  test(title: string, options: { skip?: boolean | string }, work: Work): void;
  before(work: Work): void;
  after(work: Work): void;
}

const LOOKS = { Docker: whyNoDocker, broker: whyNoBroker };
type Need = keyof typeof LOOKS;

/** Returns the functions of `node:test` for a file whose tests need these. */
export function needing(...what: Need[]): Tests {
  const lacks = lacking(...what);
  // Bun does not print the reason of a skipped test.
  if (lacks) console.log(`Skipped here: ${lacks}`);
  const test: Tests["test"] = (title, ...rest: [Work] | [{ skip?: boolean | string }, Work]) => {
    const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest;
    nodeTest(title, { skip: options.skip || lacks || false }, async () => {
      try {
        await work();
      } catch (error) {
        throw ownError(error);
      }
    });
  };
  const unless = (hook: typeof nodeBefore) => (work: Work) => {
    if (!lacks) hook(async () => await work());
  };
  return { test, before: unless(nodeBefore), after: unless(nodeAfter) };
}

/** Returns a test's own error. An error of its clean-up is printed too, but does not replace it. */
function ownError(error: unknown): unknown {
  if (!(error instanceof Error && error.name === "SuppressedError")) return error;
  const { error: later, suppressed } = error as SuppressedError;
  console.error("After the test had failed, clearing up failed too:", later);
  return ownError(suppressed);
}

/**
 * Returns why tests that need these are skipped here. With CI=true none is skipped: what is missing makes it
 * fail.
 */
export function lacking(...what: Need[]): string | undefined {
  return process.env.CI === "true" ? undefined : what.map((one) => LOOKS[one]()).find(Boolean);
}

function whyNoDocker(): string | undefined {
  const { status, error } = spawnSync("docker", ["image", "inspect", TEST_IMAGE], { encoding: "utf8" });
  if (status === 0) return undefined;
  if (error) return "There is no docker on PATH";
  return spawnSync("docker", ["version"]).status === 0
    ? `There is no image "${TEST_IMAGE}": scripts/test makes it`
    : "Docker does not answer";
}

function whyNoBroker(): string | undefined {
  const { status } = spawnSync(natsProgram(), ["--version"]);
  return status === 0 ? undefined : "There is no nats-server: scripts/test gets it";
}
