import { environment } from "../command-line/environment.ts";
import { EXIT } from "../command-line/exit-codes.ts";
import { tellServiceManager } from "../service-manager.ts";
import { listenForStop } from "./stop-requests.ts";

/**
 * Listens for causes to end a program that serves, until disposed: at the first one `signal` aborts, at the
 * second one it writes `leaving` and exits at once.
 */
export function openStopSignal(leaving: string): Disposable & { readonly signal: AbortSignal } {
  const stopping = new AbortController();
  const requests = listenForStop({
    onFirst({ verdict }) {
      tellServiceManager("stopping", environment);
      stopping.abort(new DOMException(verdict.message, "AbortError"));
    },
    onSecond({ exit }) {
      process.stderr.write(`${leaving}\n`);
      process.exit(exit);
    },
  });
  return {
    signal: stopping.signal,
    [Symbol.dispose]() {
      requests[Symbol.dispose]();
      if (requests.first?.exit === EXIT.defect) process.exitCode = EXIT.defect;
    },
  };
}
