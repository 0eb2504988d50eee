/** Summary of a test run, from its report. */
export interface Summary {
  readonly tests: number;
  readonly skipped: number;
  /** Names of the failed tests. */
  readonly failures: readonly string[];
}

const CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** Counts the test cases of a JUnit file. */
export function summaryOf(xml: string): Summary {
  const cases = [...xml.matchAll(CASE)].map(([, attributes = "", body = ""]) => ({ attributes, body }));
  return {
    tests: cases.length,
    skipped: cases.filter(({ body }) => /<skipped\b/.test(body)).length,
    failures: cases.filter(({ body }) => /<(?:failure|error)\b/.test(body)).map(({ attributes }) =>
      nameOf(attributes)
    ),
  };
}

function nameOf(attributes: string): string {
  const value = (name: string) => new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1];
  return [value("classname"), value("name")].filter(Boolean).join(".");
}
