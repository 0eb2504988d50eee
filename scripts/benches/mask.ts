import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { openStepLog } from "../../lib/driver/log/step-log.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import type { Bench, Figure } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const ROUNDS = 5;
const MIB = 1024 * 1024;
const MOST_BYTES = 32 * MIB;
const PIECE_BYTES = 64 * 1024;
const TARGET = { mibPerSecond: 50, share: 0.1 };
const STEP = { driver: "builder", step: "build", pipeline: "bench" };

/**
 * The cost of masking, in processor time, which does not depend on the machine's load: a log on its way into
 * the store without secrets, with one, and with 50, none of which occurs. The text is what tools print: this
 * project's history with all diffs, and lists of files.
 */
export const mask: Bench = {
  name: "mask",
  group: "trust",
  async measure({ folder, root, say }) {
    const text = await printed(root);
    const lines = text.reduce((count, byte) => byte === 0x0a ? count + 1 : count, 0);
    const ways = [0, 1, 50].map((count) => ({ count, times: [] as number[] }));
    await using embedded = await openEmbedded({ folder: join(folder, "data"), scope: "bench" });
    let masked = 0;
    const take = async (count: number): Promise<number> => {
      const secrets = Object.fromEntries(Array.from({ length: count }, (_, n) => [`S${n}`, randomToken()]));
      const run = crypto.randomUUID();
      const log = openStepLog({
        fields: { run, ...STEP },
        mask: maskOf(secrets),
        maxBytes: Infinity,
        async store(batches) {
          const messages = batches.map(({ data, lines, first }) => ({
            data,
            id: `${run}/${first}`,
            headers: { [HEADERS.step]: "build", [HEADERS.attempt]: "1", [HEADERS.lines]: String(lines) },
          }));
          for (const { data } of batches) masked += starsIn(data);
          await embedded.transport.publishAll(`logs.${run}`, messages);
        },
      });
      const before = process.cpuUsage();
      for (let at = 0; at < text.length; at += PIECE_BYTES) {
        await log.write("stdout", text.subarray(at, at + PIECE_BYTES));
      }
      await log.finish();
      const { user, system } = process.cpuUsage(before);
      await embedded.removeLog(run);
      return (user + system) / 1000;
    };
    await take(1);
    const own = masked;
    masked = 0;
    say(`${ROUNDS} times ${lines} lines with 0, 1 and 50 secrets, in turns`);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { count, times } of ways) times.push(await take(count));
    }
    const [none = NaN, one = NaN, fifty = NaN] = ways.map(({ times }) => median(times));
    const share = (one - none) / one;
    const speed = text.length / MIB / ((fifty - none) / 1000);
    // Text that itself contains stars has them in each round.
    const wrong = masked - own * ways.length * ROUNDS;
    return [
      {
        what: `log of ${lines} lines: looking for one secret`,
        ours: `${(share * 100).toFixed(1)} % of the log's time`,
        reference: `${formatMs(none)} without`,
        target: `≤ ${TARGET.share * 100} %`,
        isMet: share <= TARGET.share,
        numbers: { noneMs: rounded(none), oneMs: rounded(one) },
      },
      {
        what: `log of ${lines} lines: looking for 50 secrets`,
        ours: `${speed.toFixed(0)} MiB/s`,
        target: `≥ ${TARGET.mibPerSecond} MiB/s`,
        isMet: speed >= TARGET.mibPerSecond,
        numbers: { fiftyMs: rounded(fifty), mibPerSecond: rounded(speed) },
      },
      {
        what: `${lines * ways.length * ROUNDS} lines without a secret: masked all the same`,
        ours: String(wrong),
        target: "≤ 1 in 10⁶",
        isMet: wrong <= lines * ways.length * ROUNDS / 1e6,
        numbers: { wrong, lines: lines * ways.length * ROUNDS },
      },
    ] satisfies Figure[];
  },
};

const randomToken = (): string =>
  randomBytes(24).toString((["hex", "base64", "base64url"] as const)[Math.floor(Math.random() * 3)]);

function starsIn(data: Uint8Array): number {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString("latin1").split("***").length - 1;
}

/** Returns up to 32 MiB of what tools print about this project. */
async function printed(root: string): Promise<Buffer> {
  const script = "git log -p --stat; find . -path ./.git -prune -o -ls; git ls-files | xargs sha256sum";
  const child = Bun.spawn(["sh", "-c", script], { cwd: root, stdout: "pipe", stderr: "ignore" });
  return Buffer.from(await new Response(child.stdout).arrayBuffer()).subarray(0, MOST_BYTES);
}
