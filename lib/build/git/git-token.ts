import { secretFor } from "../../wire/secrets.ts";

/** The secret that is a run's own token, or private ssh key, for repositories on a host: `git-cloner` only gets it. */
export const gitTokenOf = (host: string): string => secretFor("git-cloner", host);
