import { secretFor } from "../../wire/secrets.ts";
import type { Repository } from "../repository.ts";

/**
 * Returns the name of the secret with a run's own token, or private ssh key, for repositories on a host. Only
 * `git-cloner` gets it.
 */
export const gitTokenOf = (host: string): string => secretFor("git-cloner", host);

/**
 * Returns the hosts under which a repository's credential may be stored: `host:port` if its URL has a port,
 * and `host`.
 */
export function credentialHosts(repository: Repository): string[] {
  if (repository.kind === "local") return [];
  const { host, url } = repository;
  const port = URL.canParse(url) ? new URL(url).port : "";
  return port === "" ? [host] : [`${host}:${port}`, host];
}
