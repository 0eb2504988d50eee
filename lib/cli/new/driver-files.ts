export interface DriverFilesOptions {
  readonly version: string;
  /** The folder that holds the package `conveyor-drivers`; undefined: a registry has it. */
  readonly packageFolder?: string | undefined;
}

/** Returns the files of a new driver's folder, by name. */
export function driverFiles(
  name: string,
  { version, packageFolder }: DriverFilesOptions,
): Record<string, string> {
  const variable = variableOf(name);
  // Bun reads the override and Deno the link; neither reads the other's.
  const override = packageFolder !== undefined &&
    { overrides: { "conveyor-drivers": `file:${packageFolder}` } };
  const link = packageFolder !== undefined &&
    { "deno.json": `${JSON.stringify({ links: [packageFolder] }, undefined, 2)}\n` };
  return {
    "package.json": `${
      JSON.stringify(
        {
          name: name.toLowerCase(),
          version: "0.1.0",
          private: true,
          type: "module",
          scripts: {
            check: "bun x -p typescript tsc -p .",
            build:
              `bun build --compile --no-compile-autoload-dotenv --no-compile-autoload-bunfig --outfile ${name} ${name}.ts`,
          },
          dependencies: { "conveyor-drivers": `^${version}` },
          devDependencies: { "@types/node": "*" },
          ...override,
        },
        undefined,
        2,
      )
    }\n`,
    ...link,
    "tsconfig.json": `${
      JSON.stringify(
        {
          compilerOptions: {
            target: "ES2024",
            module: "Preserve",
            moduleResolution: "bundler",
            types: ["node"],
            strict: true,
            skipLibCheck: true,
            noEmit: true,
            verbatimModuleSyntax: true,
            allowImportingTsExtensions: true,
          },
        },
        undefined,
        2,
      )
    }\n`,
    "README.md":
      `# ${name}\n\nA driver for Conveyor CI: counts the lines of a file in a build's workspace.\n`,
    ".gitignore": `node_modules/\n${name}\n`,
    [`${name}.ts`]: `import { defineDriver, main, z } from "conveyor-drivers";

export const ${variable} = defineDriver({
  name: "${name}",
  version: "0.1.0",
  resources: ["flutter-builder"],
  // What a build tells this driver, in spec.drivers.${name}.
  spec: z.strictObject({
    file: z.string().default("README.md").describe("the file to look at, from the workspace"),
  }),
  // Words that say why it failed, beside the common ones.
  reasons: ["file-missing"],
  // It works in the container of the build.
  container: true,
  async reconcile({ spec, container, log, fail }) {
    const text = await container.readText(spec.file);
    if (text === undefined) return fail("file-missing", \`There is no "\${spec.file}" in the workspace\`);
    const lines = text.split("\\n").length - 1;
    await log.line(\`\${spec.file} has \${lines} lines\`);
    return { success: true, message: \`\${lines} lines\`, data: { lines } };
  },
});

if (import.meta.main) await main(${variable});
`,
    [`${name}_test.ts`]: `import assert from "node:assert/strict";
import { test } from "node:test";
import { testDriver } from "conveyor-drivers/testing";
import { ${variable} } from "./${name}.ts";

test("${name} counts lines", async () => {
  const { success, data, log } = await testDriver(${variable}, {
    spec: { file: "notes.txt" },
    container: { files: { "notes.txt": "one\\ntwo\\n" } },
  });
  assert.deepEqual([success, data], [true, { lines: 2 }]);
  assert.deepEqual(log.map(({ message }) => message), ["notes.txt has 2 lines"]);
});

test("${name} fails where the file is missing", async () => {
  const { success, reason } = await testDriver(${variable}, { container: {} });
  assert.deepEqual([success, reason], [false, "file-missing"]);
});
`,
  };
}

/** Returns a variable name for a driver's name: `unitReport` for `unit-report`. */
function variableOf(name: string): string {
  const words = name.split(/[-_]+/).filter((word) => word !== "");
  const camel = words.map((word, i) => i === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1)).join(
    "",
  );
  return /^[A-Za-z]/.test(camel) ? `${camel}Driver` : `driver${camel}`;
}
