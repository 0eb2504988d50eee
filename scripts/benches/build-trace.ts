import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Bench, Figure } from "./bench.ts";
import { formatMs, rounded } from "./numbers.ts";
import { runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const ROUNDS = 5;
const SOCKET = (process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock").replace(/^unix:\/\//, "");

/** A call to the daemon; milliseconds since the program's start. */
interface Call {
  readonly what: string;
  readonly from: number;
  /** The first bytes of its answer. */
  answered?: number;
}

/** Each call to Docker of one build, the fastest of a few: when it was sent and how long its answer took. */
export const buildTrace: Bench = {
  name: "build-trace",
  group: "trace",
  async measure({ folder, program, compiled = program, image, say }) {
    const repository = await makeSmallRepository(folder);
    await using proxy = await tracingProxy(join(folder, "docker.sock"));
    const words = ["run", "--docker", proxy.endpoint, "--image", image, "-c", "make"];
    const build = [compiled, ...words, "--data", join(folder, "data"), repository];
    await runProcess(build);
    say(`${ROUNDS} builds`);
    const traces: { ms: number; calls: readonly Call[] }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      proxy.begin();
      const { ms } = await runProcess(build);
      traces.push({ ms, calls: proxy.calls });
    }
    const [fastest] = traces.toSorted((a, b) => a.ms - b.ms);
    return [
      ...(fastest?.calls ?? []).map(figureOf),
      {
        what: "the whole build",
        ours: formatMs(fastest?.ms ?? 0),
        numbers: { ms: rounded(fastest?.ms ?? 0) },
      },
    ];
  },
};

function figureOf({ what, from, answered = from }: Call, i: number): Figure {
  return {
    what: `${i + 1}: ${what}`,
    ours: `at ${formatMs(from)}, takes ${formatMs(answered - from)}`,
    numbers: { fromMs: rounded(from), tookMs: rounded(answered - from) },
  };
}

/** Passes everything on to the daemon and back, and notes each call. Costs a call about 0.3 ms. */
async function tracingProxy(path: string) {
  const trace = { began: 0, calls: [] as Call[] };
  const now = () => performance.now() - trace.began;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const daemon = connect({ path: SOCKET, allowHalfOpen: true });
    let call: Call | undefined;
    client.on("data", (bytes) => {
      const [line] = /^(?:GET|HEAD|POST|PUT|DELETE) \S+(?= HTTP\/1)/.exec(bytes.toString("latin1")) ?? [];
      if (line === undefined) return;
      call = { what: nameOf(line), from: now() };
      trace.calls.push(call);
    });
    daemon.on("data", () => {
      if (call) call.answered ??= now();
    });
    passOn(client, daemon);
    passOn(daemon, client);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    endpoint: `unix://${path}`,
    get calls() {
      return trace.calls;
    },
    begin() {
      trace.began = performance.now();
      trace.calls = [];
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function passOn(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on("error", () => to.destroy());
}

/** Leaves out ids, names of runs and filters. */
const nameOf = (line: string): string =>
  line.replace(/[0-9a-f]{64}/g, "ID").replace(/conveyor-[0-9a-f]{32}/g, "RUN").replace(/\?.*/, "");
