import type { Credential } from "./credentials.ts";

/** Where the files of one clone lie in its container: in memory, never on a disk. */
export const PRIVATE_FOLDER = "/dev/shm/conveyor-git";

export interface PrivateFilesOptions {
  /** How the repository itself is reached. */
  readonly protocol: "https" | "ssh";
  /** `host` or `host:port` of an https repository. */
  readonly authority: string | undefined;
  readonly credentials: readonly Credential[];
  /** Lines of a known_hosts file. */
  readonly knownHosts: string;
}

/** The files of a clone by name: git's and ssh's whole configuration, and the credentials, each in a file of its own. */
export function privateFiles(options: PrivateFilesOptions): Readonly<Record<string, string>> {
  const { credentials, knownHosts } = options;
  return {
    ".gitconfig": gitConfig(options),
    ssh: SSH,
    ssh_config: sshConfig(credentials),
    known_hosts: knownHosts,
    ...Object.fromEntries(credentials.map(({ secret }, i) => [credentialFile(i), secret.trimEnd()])),
  };
}

/**
 * How the files travel: on the clone script's standard input, so that they stand in no process's variables and arguments. A line
 * with a name, then the file's lines, each after a space; a dot ends it all.
 */
export function encodeFiles(files: Readonly<Record<string, string>>): Uint8Array {
  const text = Object.entries(files).map(([name, content]) =>
    [name, ...content.split(/\r?\n/).map((line) => ` ${line}`)].join("\n")
  );
  return new TextEncoder().encode([...text, ".", ""].join("\n"));
}

/** Notes ssh's exit code, which git keeps to itself. */
const SSH = `
ssh -F ${PRIVATE_FOLDER}/ssh_config "$@"
code=$?
echo "$code" >${PRIVATE_FOLDER}/ssh-exit
exit "$code"
`;

const credentialFile = (index: number): string => `credential-${index}`;

/**
 * git's configuration: no hooks, no helpers, no protocol but those that are wanted. A token is offered to its own host only,
 * at the port of https or at the repository's own. Submodules that are named by ssh come by https from hosts with a token, and
 * from the repository's own host.
 */
function gitConfig({ protocol, authority, credentials }: PrivateFilesOptions): string {
  const own = authority?.replace(/:\d+$/, "");
  const tokens = credentials.flatMap(({ host, kind }, i) => kind === "token" ? [{ host, i }] : []);
  const hasKey = (host: string) =>
    credentials.some((given) => nameOf(given) === host && given.kind === "key");
  const protocols = new Set([
    protocol,
    "https",
    ...credentials.some(({ kind }) => kind === "key") ? ["ssh"] : [],
  ]);
  // A host's https address, by its name.
  const overHttps = new Map(tokens.map(({ host }) => [nameOf({ host }), host]));
  if (own !== undefined && authority !== undefined && !hasKey(own)) overHttps.set(own, authority);
  return [
    "[core]",
    "\thooksPath = /dev/null",
    "\tfsmonitor = false",
    "\tsymlinks = true",
    "\tprotectNTFS = true",
    "\tprotectHFS = true",
    "[protocol]",
    "\tallow = never",
    ...Array.from(protocols, (name) => `[protocol "${name}"]\n\tallow = always`),
    "[safe]",
    "\tdirectory = *",
    "[http]",
    "\tfollowRedirects = initial",
    ...tokens.flatMap(({ host, i }) =>
      [...new Set([host, ...host === own && authority !== undefined ? [authority] : []])].map((at) =>
        `[credential "https://${at}"]\n\thelper = "!f() { test \\"$1\\" = get && echo username=x-access-token && ` +
        `echo \\"password=$(cat ${PRIVATE_FOLDER}/${credentialFile(i)})\\"; }; f"`
      )
    ),
    ...Array.from(overHttps, ([host, at]) =>
      [
        `[url "https://${at}/"]`,
        ...[`git@${host}:`, `ssh://git@${host}/`, `ssh://git@${host}:22/`, `ssh://${host}/`].map((prefix) =>
          `\tinsteadOf = "${prefix}"`
        ),
      ].join("\n")),
    "",
  ].join("\n");
}

/** A credential's host without its port. */
const nameOf = ({ host }: Pick<Credential, "host">): string => host.replace(/:\d+$/, "");

/** ssh's configuration: a host is who the known hosts say it is, and gets no key but its own. */
function sshConfig(credentials: readonly Credential[]): string {
  const hosts = credentials.flatMap(({ host, kind }, i) =>
    kind === "key"
      ? [`Host ${nameOf({ host })}`, `\tIdentityFile ${PRIVATE_FOLDER}/${credentialFile(i)}`]
      : []
  );
  return [
    ...hosts,
    "Host *",
    "\tIdentityFile none",
    "\tIdentitiesOnly yes",
    "\tIdentityAgent none",
    "\tBatchMode yes",
    "\tStrictHostKeyChecking yes",
    `\tUserKnownHostsFile ${PRIVATE_FOLDER}/known_hosts`,
    "\tGlobalKnownHostsFile /dev/null",
    "\tUpdateHostKeys no",
    "\tCheckHostIP no",
    "\tForwardAgent no",
    "\tPermitLocalCommand no",
  ].join("\n");
}
