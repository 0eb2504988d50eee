import { createConnection } from "node:net";
import { startTimer, stopTimer } from "../../base/timers.ts";

/**
 * What answers at an address: a NATS server (and whether it requires a client certificate), HTTP, something
 * else, or nothing.
 */
export type Greeting = { kind: "nats"; wantsCertificate: boolean } | { kind: "http" | "other" | "silent" };

/**
 * Waits for a NATS server's greeting, and sends an HTTP request if none comes. Used only to explain a failed
 * connection. Returns `silent` after `timeoutMs` or if the address cannot be reached.
 */
export function probe(address: string, timeoutMs: number): Promise<Greeting> {
  const { hostname, port } = new URL(`nats://${address}`);
  return new Promise((resolve) => {
    const socket = createConnection(Number(port), hostname.replace(/^\[|\]$/g, ""));
    let heard = "";
    const end = (greeting: Greeting) => {
      stopTimer(ask);
      stopTimer(giveUp);
      socket.destroy();
      resolve(greeting);
    };
    const ask = startTimer(() => socket.write("GET / HTTP/1.0\r\n\r\n"), timeoutMs / 2);
    const giveUp = startTimer(() => end({ kind: "silent" }), timeoutMs);
    socket.on("error", () => end({ kind: "silent" }));
    socket.on("close", () => end({ kind: heard === "" ? "silent" : "other" }));
    socket.on("data", (data) => {
      heard += data.toString("latin1");
      if (/^HTTP\//.test(heard)) return end({ kind: "http" });
      if (!heard.includes("\r\n") && heard.length < 65_536) return;
      const info = /^INFO (\{.*\})/.exec(heard);
      if (!info) return end({ kind: "other" });
      end({ kind: "nats", wantsCertificate: /"tls_verify":\s*true/.test(info[1] ?? "") });
    });
  });
}
