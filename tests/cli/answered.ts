import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { flutterCiProgram } from "../../lib/cli/flutter-ci.ts";
import { whyRefused } from "../../lib/driver/program/command-line/run-program.ts";
import type { Ended } from "./start-program.ts";

const DRIVERS = {
  "container-start": () => Promise.resolve(containerStart),
  "git-cloner": () => Promise.resolve(gitCloner),
  "builder": () => Promise.resolve(builder),
  "container-stop": () => Promise.resolve(containerStop),
};

/**
 * What `flutter-ci` answers to words that it does nothing but answer, in this process: to start a program for
 * each takes far longer. That programs answer so is for a test or two of each kind to see.
 */
export async function answered(words: readonly string[]): Promise<Ended> {
  using stdout = taken(process.stdout);
  using stderr = taken(process.stderr);
  const refused = await whyRefused(() => flutterCiProgram(DRIVERS, words), words);
  return { code: refused ?? 0, stdout: stdout.text(), stderr: stderr.text() };
}

/** Takes what is written to a stream until disposed. */
function taken(stream: NodeJS.WriteStream): { text(): string } & Disposable {
  const { write } = stream;
  let text = "";
  stream.write = ((chunk: string | Uint8Array) => {
    text += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    return true;
  }) as typeof write;
  return { text: () => text, [Symbol.dispose]: () => void (stream.write = write) };
}
