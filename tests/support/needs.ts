import { spawnSync } from "node:child_process";
import { after as nodeAfter, before as nodeBefore, test as nodeTest } from "node:test";
import { natsProgram } from "./nats-program.ts";
import { TEST_IMAGE } from "./test-image.ts";

type Work = () => void | PromiseLike<void> | undefined;

/** As of `node:test`. Where the machine lacks something, tests are skipped and say what it is, and hooks do nothing. */
export interface Tests {
  test(title: string, work: Work): void;
  test(title: string, options: { skip?: boolean | string }, work: Work): void;
  before(work: Work): void;
  after(work: Work): void;
}

const LOOKS = { Docker: whyNoDocker, broker: whyNoBroker };
type Need = keyof typeof LOOKS;

/** What `node:test` has, for a file whose tests cannot do without these. */
export function needing(...what: Need[]): Tests {
  const lacks = lacking(...what);
  // Bun lists what is skipped without the reason.
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

/** What a test itself has failed with. Clearing up that failed as well is told beside it, and does not take its place. */
function ownError(error: unknown): unknown {
  if (!(error instanceof Error && error.name === "SuppressedError")) return error;
  const { error: later, suppressed } = error as SuppressedError;
  console.error("After the test had failed, clearing up failed too:", later);
  return ownError(suppressed);
}

/** Why tests that need these are skipped here. Where CI=true they never are: what is not there lets them fail. */
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
