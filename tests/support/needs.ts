import { spawnSync } from "node:child_process";
import { after as nodeAfter, before as nodeBefore, test as nodeTest } from "node:test";
import { natsProgram } from "./nats-program.ts";
import { TEST_IMAGE } from "./test-image.ts";

type Work = () => void | PromiseLike<void> | undefined;

/** Returns why something is missing here. */
export type Look = () => string | false | undefined;

/** As in `node:test`, for tests that need something of the machine: see `needing`. */
export interface Tests {
  test(title: string, work: Work): void;
  /** `needs`: what this test needs besides. */
  test(title: string, options: { needs: Look }, work: Work): void;
  before(work: Work): void;
  after(work: Work): void;
}

const LOOKS = { Docker: whyNoDocker, broker: whyNoBroker };
type Need = keyof typeof LOOKS | Look;

/**
 * Returns the functions of `node:test` for a file whose tests need these. If the machine lacks something,
 * hooks do nothing and tests are skipped with that reason, which is printed. With CI=true they fail with it.
 */
export function needing(...what: Need[]): Tests {
  const missing = whyMissing(what);
  report(missing);
  const test: Tests["test"] = (title, ...rest: [Work] | [{ needs: Look }, Work]) => {
    const [options, work] = rest.length === 1 ? [undefined, rest[0]] : rest;
    const lacks = missing ?? (options && whyMissing([options.needs]));
    if (missing === undefined) report(lacks);
    nodeTest(title, { skip: !isCi() && lacks || false }, async () => {
      if (lacks !== undefined) throw new Error(`Nothing is skipped where CI=true: ${lacks}`);
      try {
        await work();
      } catch (error) {
        throw ownError(error);
      }
    });
  };
  const unless = (hook: typeof nodeBefore) => (work: Work) => {
    if (missing === undefined) hook(async () => await work());
  };
  return { test, before: unless(nodeBefore), after: unless(nodeAfter) };
}

/**
 * Returns why tests that need these are skipped here. With CI=true none is skipped: what is missing makes it
 * fail.
 */
export function lacking(...what: Need[]): string | undefined {
  return isCi() ? undefined : whyMissing(what);
}

const isCi = (): boolean => process.env.CI === "true";

function whyMissing(what: readonly Need[]): string | undefined {
  return what.map((one) => typeof one === "function" ? one() : LOOKS[one]()).find(Boolean) || undefined;
}

/** Bun does not print the reason of a skipped test. */
function report(lacks: string | undefined): void {
  if (lacks !== undefined && !isCi()) console.log(`Skipped here: ${lacks}`);
}

/** Returns a test's own error. An error of its clean-up is printed too, but does not replace it. */
function ownError(error: unknown): unknown {
  if (!(error instanceof Error && error.name === "SuppressedError")) return error;
  const { error: later, suppressed } = error as SuppressedError;
  console.error("After the test had failed, clearing up failed too:", later);
  return ownError(suppressed);
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
