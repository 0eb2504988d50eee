import { join } from "node:path";
import { freePort } from "../../tests/support/nats-server.ts";

export interface Plane extends AsyncDisposable {
  readonly url: string;
  /** Calls the API with the plane's own token. */
  readonly headers: Record<string, string>;
  /** Time from the start of the process to the first 200 from `/readyz`, milliseconds. */
  readonly readyMs: number;
  /** The driver of the only step of `submit`: no instance of it exists. */
  readonly driver: string;
  /** Starts a run that waits for its driver. Returns its id. */
  submit(): Promise<string>;
}

/** Starts `flutter-ci up` on a data folder, without drivers. Dispose kills it. */
export async function startPlane(
  { program, data, flags = [] }: { program: string; data: string; flags?: readonly string[] },
): Promise<Plane> {
  const listen = `127.0.0.1:${await freePort()}`;
  const started = performance.now();
  const words = ["up", "--drivers", "none", "--data", data, "--listen", listen, "--log-level", "warn"];
  const up = Bun.spawn([program, ...words, ...flags], { stdout: "ignore", stderr: "inherit" });
  const dispose = async () => {
    up.kill("SIGKILL");
    await up.exited;
  };
  try {
    const url = `http://${listen}`;
    const ended = up.exited.then((code): never => {
      throw new Error(`flutter-ci up exited with ${code} before it was ready`);
    });
    await Promise.race([ready(url), ended]);
    const readyMs = performance.now() - started;
    const token = (await Bun.file(join(data, "token")).text()).trim();
    const headers = { Authorization: `Bearer ${token}` };
    const driver = "nobody";
    return {
      url,
      headers,
      readyMs,
      driver,
      async submit() {
        const resource = { name: "thing", resource: "thing", spec: {} };
        const steps = [{ id: "a", name: "A", driver }];
        const answer = await fetch(`${url}/runs`, {
          method: "POST",
          headers: { ...headers, "content-type": "application/json" },
          body: JSON.stringify({ resource, pipeline: { name: "line", resource: "thing", steps } }),
        });
        const text = await answer.text();
        if (answer.status !== 201) throw new Error(`POST /runs answers ${answer.status} ${text}`);
        return (JSON.parse(text) as { run: string }).run;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function ready(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
    await Bun.sleep(5);
  }
}
