import { secretFor } from "../../wire/secrets.ts";
import type { Repository } from "../repository.ts";

/** The secret that is a run's own token, or private ssh key, for repositories on a host: `git-cloner` only gets it. */
export const gitTokenOf = (host: string): string => secretFor("git-cloner", host);

/** The names that a credential for a repository may stand under: `host:port` where its URL has a port, and `host`. */
export function credentialHosts(repository: Repository): string[] {
  if (repository.kind === "local") return [];
  const { host, url } = repository;
  const port = URL.canParse(url) ? new URL(url).port : "";
  return port === "" ? [host] : [`${host}:${port}`, host];
}
