/**
 * Writes those pages of docs/ that are made from the code: `bun scripts/docs.ts`. With `--check` it writes
 * nothing, and exits with 1 where a page is not what the code says.
 *
 *   docs/flags.md     from the commands
 *   docs/reasons.md   from the closed set of reasons and their hints
 *   docs/spec.md      its table of fields, from the schema
 */
import type { Command, CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { join } from "node:path";
import { z } from "zod";
import { HINTS } from "../lib/cli/shared/render/hints.ts";
import { variableOf } from "../lib/driver/program/command-line/flag.ts";
import { BuildSpec } from "../lib/build/spec.ts";
import { type Reason, REASON_TEXTS } from "../lib/wire/reasons.ts";
import { flagsOf } from "./usage.ts";

const root = join(import.meta.dir, "..");
const isCheck = flagsOf({ options: { check: { type: "boolean", default: false } } }).values.check;

/** The part of a page between these lines is made from the code; the rest is written by hand. */
const BEGIN = "<!-- made by scripts/docs.ts -->";
const END = "<!-- end -->";

const wrong: string[] = [];
await write("docs/flags.md", await flagsPage());
await write("docs/reasons.md", reasonsPage());
await write("docs/spec.md", await withPart("docs/spec.md", fieldsTable()));
for (const page of wrong) console.error(`error: ${page} is not what the code says: run scripts/docs`);
process.exit(wrong.length > 0 ? 1 : 0);

async function write(page: string, text: string): Promise<void> {
  const file = Bun.file(join(root, page));
  if (await file.exists() && await file.text() === text) return;
  if (isCheck) wrong.push(page);
  else await Bun.write(file, text);
}

async function withPart(page: string, part: string): Promise<string> {
  const text = await Bun.file(join(root, page)).text();
  const [before, rest] = text.split(`${BEGIN}\n`);
  const [, after] = rest?.split(END) ?? [];
  if (after === undefined) throw new Error(`${page} has no lines "${BEGIN}" and "${END}"`);
  return `${before}${BEGIN}\n${part}${END}${after}`;
}

async function flagsPage(): Promise<string> {
  // A path that the compiler does not follow: it would check all of lib again, with Bun's types.
  const load = (file: string) => import(join(root, file));
  const { flutterCiProgram } = await load("lib/cli/flutter-ci.ts") as {
    flutterCiProgram(drivers: Record<string, () => Promise<unknown>>): Promise<Command>;
  };
  const drivers = Object.fromEntries(
    Object.entries({
      "builder": "builder",
      "container-start": "containerStart",
      "container-stop": "containerStop",
      "git-cloner": "gitCloner",
    }).map(([name, driver]) => [name, async () => (await load(`drivers/${name}.ts`))[driver]]),
  );
  const program = await flutterCiProgram(drivers);
  const commands = program.commands.filter((command) =>
    program.createHelp().visibleCommands(program).includes(command)
  );
  return [
    "# Commands and flags",
    "",
    `${BEGIN.replace(" -->", " from the commands -->")}`,
    "",
    "Every flag with a variable beside it can be set by that variable instead; a flag wins over its variable. One that may be",
    "repeated takes one value a line. `container-start`, `git-cloner`, `builder` and `container-stop` are also programs of their own.",
    ...commands.flatMap((command) => commandPart(command, "flutter-ci")),
    "",
  ].join("\n");
}

function commandPart(command: CommandUnknownOpts, parent: string): string[] {
  const name = `${parent} ${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((sub) => commandPart(sub, name));
  const options = command.options.filter(({ hidden }) => !hidden);
  const table = options.length === 0
    ? []
    : ["", "| flag | variable | meaning | default |", "|---|---|---|---|", ...options.map(flagRow)];
  return [
    "",
    `## ${name}`,
    "",
    `    ${name} ${command.usage()}`,
    "",
    command.description(),
    ...table,
  ];
}

function flagRow(option: Option): string {
  const { flags, long, description, argChoices, defaultValue, defaultValueDescription } = option;
  const variable = long && !["--help", "--version"].includes(long) ? code(variableOf(long)) : "";
  const meaning = argChoices ? `${description}: ${argChoices.map(code).join(", ")}` : description;
  return row(code(flags), variable, meaning, String(defaultValueDescription ?? defaultValue ?? ""));
}

function reasonsPage(): string {
  return [
    "# Reasons",
    "",
    `${BEGIN.replace(" -->", " from lib/wire/reasons.ts -->")}`,
    "",
    "Why a step or a run did not succeed: `data.reason` of a result, and `reason` of the `end` line of `--json`. Scripts may rely",
    "on these words; words are added, never changed.",
    "",
    "| reason | means | what to do |",
    "|---|---|---|",
    ...Object.entries(REASON_TEXTS).map(([reason, text]) => row(code(reason), text, HINTS[reason as Reason])),
    "",
  ].join("\n");
}

/** The part of the output of `z.toJSONSchema` that the table needs. */
interface Field {
  readonly type?: string;
  readonly anyOf?: readonly Field[];
  readonly enum?: readonly unknown[];
  readonly items?: Field;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Field>>;
}

function fieldsTable(): string {
  const { properties = {}, required = [] } = z.toJSONSchema(BuildSpec, { io: "input" });
  const rows = Object.entries(properties as Record<string, Field>).flatMap(([name, field]) =>
    field.properties && Object.keys(field.properties).length > 0
      ? Object.entries(field.properties).map(([inner, of]) => fieldRow(`${name}.${inner}`, of))
      : [fieldRow(name, field, required.includes(name))]
  );
  return ["| field | type | meaning | default |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function fieldRow(name: string, field: Field, isRequired = false): string {
  const { description = "" } = field;
  return row(code(name), typeOf(field), description, isRequired ? "required" : defaultOf(field));
}

function defaultOf({ default: value }: Field): string {
  if (value === undefined || JSON.stringify(value) === "[]" || JSON.stringify(value) === "{}") return "";
  return Array.isArray(value) ? value.map((one) => code(String(one))).join(", ") : code(String(value));
}

function typeOf({ type, anyOf, enum: words, items }: Field): string {
  if (words) return words.map((word) => code(String(word))).join(", ");
  if (type === "array") return "list";
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(" or ");
  return ({ string: "text", integer: "number", boolean: "true or false" } as Record<string, string>)[
    type ?? ""
  ] ??
    (items ? "list" : type ?? "");
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}
