import { createConnection } from "node:net";
import { startTimer, stopTimer } from "../../base/timers.ts";

/** What greets at an address: a NATS server (and whether it wants a certificate), HTTP, something else, nothing. */
export type Greeting = { kind: "nats"; wantsCertificate: boolean } | { kind: "http" | "other" | "silent" };

/**
 * Listens for the line with which a NATS server greets, and asks for a page where none comes. Used only to say why a
 * connection failed; answers `silent` after `timeoutMs` and where the address cannot be reached.
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
