import { delay } from "../../lib/base/signals.ts";
import type { Started } from "../../tests/cli/start-program.ts";

/** A program that is started again whenever it is killed, until disposed. */
export interface Kept extends AsyncDisposable {
  /** Kills it with `kill -9` and starts it again up to a second later. Resolves once it works again. */
  strike(): Promise<void>;
}

/** `start` must resolve once the program works. */
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
