/**
 * Finds promises in lib/ and drivers/ that nobody waits for and whose rejection nobody takes: one of those
 * ends the program as a defect. A promise that stands alone, with or without `void`, must end in `.catch(…)`
 * or `.then(…, …)`, or be a call of a function whose doc comment says "Never rejects". Prints each breach
 * with its place; exit 1 if any.
 */
import { relative } from "node:path";
import { API } from "typescript/unstable/async";
import { type CallExpression, type Expression, type Node, SyntaxKind } from "typescript/unstable/ast";
import {
  isBinaryExpression,
  isCallExpression,
  isExpressionStatement,
  isPropertyAccessExpression,
  isVoidExpression,
} from "typescript/unstable/ast/is";

const root = `${import.meta.dir}/..`;
const api = new API({ cwd: root });
const project = (await api.updateSnapshot({ openProjects: [`${root}/tsconfig.json`] })).getProjects()[0];
if (!project) throw new Error("tsconfig.json is no project");
const { program, checker } = project;

const breaches: string[] = [];
for (const name of await program.getSourceFileNames()) {
  const path = relative(root, name);
  const source = /^(?:lib|drivers)\//.test(path) ? await program.getSourceFile(name) : undefined;
  if (!source) continue;
  const alone = standingAlone(source);
  const types = alone.length === 0 ? [] : await checker.getTypeAtLocation(alone);
  for (const [i, expression] of alone.entries()) {
    const type = types[i];
    const isPromise = type && (await checker.typeToString(type)).startsWith("Promise<");
    if (!isPromise || await isTaken(expression)) continue;
    const line = source.text.slice(0, expression.getStart(source)).split("\n").length;
    breaches.push(
      `${path}:${line}: nobody takes the rejection of ${expression.getText(source).split("\n", 1)[0]}`,
    );
  }
}
await api.close();
for (const breach of breaches.sort()) console.error(breach);
process.exit(breaches.length === 0 ? 0 : 1);

/** Returns the expressions whose value is not used. */
function standingAlone(node: Node, found: Expression[] = []): Expression[] {
  if (isVoidExpression(node)) found.push(node.expression);
  else if (isExpressionStatement(node) && !isBinaryExpression(node.expression)) found.push(node.expression);
  node.forEachChild((child) => void standingAlone(child, found));
  return found;
}

/** True if a rejection is handled. */
async function isTaken(expression: Expression): Promise<boolean> {
  if (expression.kind === SyntaxKind.AwaitExpression || !isCallExpression(expression)) {
    return expression.kind === SyntaxKind.AwaitExpression;
  }
  const { expression: callee } = expression;
  if (isPropertyAccessExpression(callee)) {
    const method = callee.name.text;
    if (method === "catch" || (method === "then" && expression.arguments.length > 1)) return true;
    if (method === "finally") return await isTaken(callee.expression);
  }
  return await saysSo(expression);
}

/** True for a call of a function whose doc comment says that it never rejects. */
async function saysSo(call: CallExpression): Promise<boolean> {
  const { expression: callee } = call;
  const symbol = await checker.getSymbolAtLocation(isPropertyAccessExpression(callee) ? callee.name : callee);
  // An import leads to where it is imported; the signature, to the function itself.
  const called = (await checker.getResolvedSignature(call))?.declaration;
  for (const handle of [...symbol?.declarations ?? [], ...called ? [called] : []]) {
    const declaration = await handle.resolve(project);
    const text = declaration?.getSourceFile().text ?? "";
    if (declaration && /never[\s*]+rejects/i.test(commentAbove(text, declaration.pos, declaration.end))) {
      return true;
    }
  }
  return false;
}

/** Returns the text between a declaration and what is before it. */
function commentAbove(text: string, from: number, to: number): string {
  return /^\s*(?:(?:\/\*[\s\S]*?\*\/|\/\/[^\n]*)\s*)*/.exec(text.slice(from, to))?.[0] ?? "";
}
