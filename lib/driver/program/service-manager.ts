import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import type { Environment } from "./command-line/environment.ts";

/** Paths of systemd's helper. PATH is not searched: a program found there would run with our rights. */
const HELPERS = ["/usr/bin/systemd-notify", "/bin/systemd-notify"];

/**
 * Tells the service manager that this process is ready or stopping; does nothing without NOTIFY_SOCKET. The
 * service manager listens on a datagram socket, to which neither runtime can write, so systemd's own helper
 * writes. The unit needs `NotifyAccess=all`.
 */
export function tellServiceManager(
  state: "ready" | "stopping",
  environment: Environment,
  helpers: readonly string[] = HELPERS,
): void {
  const { NOTIFY_SOCKET } = environment;
  if (!NOTIFY_SOCKET) return;
  const fail = (why: string) =>
    processLog("driver").warn("Cannot tell the service manager that this process is {state}: {why}", {
      state,
      why,
    });
  const helper = helpers.find(existsSync);
  if (helper === undefined) return fail(`there is no ${helpers.join(" or ")}`);
  const words = state === "ready" ? ["--ready"] : ["STOPPING=1"];
  const child = spawn(helper, words, { env: { NOTIFY_SOCKET }, stdio: "ignore" });
  child.once("error", (error) => fail(messageOf(error)));
  child.once("exit", (code) => {
    if (code !== 0) fail(`${helper} exited with ${code}`);
  });
}
