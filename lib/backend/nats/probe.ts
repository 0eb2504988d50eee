import { createConnection } from "node:net";
import { startTimer, stopTimer } from "../../base/timers.ts";

/**
 * What answers at an address: a NATS server (and whether it requires a client certificate), HTTP, or
 * something else. `unreached`: no connection in time. `silent`: a connection, but not a word in time. `cut`:
 * it was closed without a word, or, `refused`, only once something was sent that is not TLS.
 */
export type Greeting =
  | { kind: "nats"; wantsCertificate: boolean }
  | { kind: "http" | "other" | "unreached" | "silent" | "cut" | "refused" };

/**
 * Waits for a NATS server's greeting, and sends an HTTP request if none comes in half of `timeoutMs`. Used
 * only to explain a failed connection.
 */
export function probe(address: string, timeoutMs: number): Promise<Greeting> {
  const { hostname, port } = new URL(`nats://${address}`);
  return new Promise((resolve) => {
    const socket = createConnection(Number(port), hostname.replace(/^\[|\]$/g, ""));
    let heard = "";
    /** What it means if the connection ends now. */
    let silence: "unreached" | "cut" | "refused" = "unreached";
    const end = (greeting: Greeting) => {
      stopTimer(ask);
      stopTimer(giveUp);
      socket.destroy();
      resolve(greeting);
    };
    const ask = startTimer(() => {
      if (silence === "cut") silence = "refused";
      socket.write("GET / HTTP/1.0\r\n\r\n");
    }, timeoutMs / 2);
    const giveUp = startTimer(() => end({ kind: silence === "unreached" ? silence : "silent" }), timeoutMs);
    const endClosed = () => end({ kind: heard === "" ? silence : "other" });
    socket.on("connect", () => silence = "cut");
    socket.on("error", endClosed);
    socket.on("close", endClosed);
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
