import { InputError, UnavailableError } from "../base/errors.ts";
import { shownUrl } from "../base/shown-url.ts";
import type { DockerEndpoint, Tls } from "./endpoint.ts";

export const DEFAULT_SOCKET = "/var/run/docker.sock";
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/**
 * Parses an endpoint as `docker --host` does: `unix://` and `tcp://`, the latter also without its scheme.
 * `readTls` is called for tcp addresses only; TLS is on if it returns options.
 */
export async function parseEndpoint(
  text: string,
  readTls: () => Promise<Tls | undefined>,
): Promise<DockerEndpoint> {
  const [, scheme = "tcp", rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case "unix":
      return unixEndpoint(text, rest || DEFAULT_SOCKET);
    case "tcp":
      return tcpEndpoint(text, rest, await readTls());
    case "ssh":
      throw new UnavailableError(`Cannot use Docker at "${shownUrl(text)}": ssh is not supported`, {
        hint:
          `Forward its socket with "ssh -nNT -L /tmp/docker.sock:${DEFAULT_SOCKET} ${
            rest.replace(/:[^@]*@/, "@").replace(/\/.*/s, "")
          }" ` +
          `and name unix:///tmp/docker.sock instead.`,
      });
    default:
      throw invalid(text);
  }
}

function unixEndpoint(text: string, path: string): DockerEndpoint {
  if (!path.startsWith("/") || path.includes("\0")) throw invalid(text);
  return { name: `unix://${path}`, socketPath: path };
}

function tcpEndpoint(text: string, address: string, tls: Tls | undefined): DockerEndpoint {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?\/?$/i.exec(address);
  const port = Number(match?.[2] ?? (tls ? TLS_PORT : PLAIN_PORT));
  const host = match?.[1];
  if (!host || port < 1 || port > 65535) throw invalid(text);
  return {
    name: `tcp://${host}:${port}`,
    // The brackets are not part of the host.
    host: host.replace(/^\[|\]$/g, ""),
    port,
    ...(tls && { tls }),
  };
}

function invalid(text: string): InputError {
  return new InputError(
    `Invalid Docker endpoint "${shownUrl(text)}": expected unix:///path/of/the.sock or tcp://host:port`,
  );
}
