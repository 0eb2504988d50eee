import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const folders = new Set<string>();
const children = new Set<{ kill(signal: "SIGKILL"): void; readonly exited: Promise<unknown> }>();

for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => process.exit(code));
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** Makes a folder that is gone when it is disposed of, and when the process ends, also by a signal. */
export function temporaryFolder(prefix: string): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), prefix));
  folders.add(path);
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
      folders.delete(path);
    },
  };
}

/** Has a child process end with this one: it could make files in folders that are gone. */
export async function withUs<T extends { kill(signal: "SIGKILL"): void; readonly exited: Promise<unknown> }>(
  child: T,
): Promise<T> {
  children.add(child);
  await child.exited;
  children.delete(child);
  return child;
}
