import { delay } from "../../lib/base/signals.ts";
import type { Started } from "../../tests/cli/start-program.ts";

/** A program that runs for as long as the soak, whatever happens to it. Dispose ends it for good. */
export interface Kept extends AsyncDisposable {
  /** `kill -9`, and a new start up to a second later. Resolves when that has started. */
  strike(): Promise<void>;
}

/** `start` resolves when the program is at work. */
export async function keep(start: () => Promise<Started>): Promise<Kept> {
  let running = await start();
  const kill = async () => {
    running.kill("SIGKILL");
    const { code, stderr } = await running.ended;
    if (code !== 137) throw new Error(`It had ended by itself with ${code}: ${stderr.slice(-2000)}`);
  };
  return {
    async strike() {
      await kill();
      await delay(Math.random() * 1000);
      running = await start();
    },
    [Symbol.asyncDispose]: kill,
  };
}
