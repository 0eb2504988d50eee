import type { Signers } from "../signatures/parse.ts";
import type { Credential } from "./credentials.ts";

/** Folder for the files of one clone in its container: in memory, never on disk. */
export const PRIVATE_FOLDER = "/dev/shm/conveyor-git";

export interface PrivateFilesOptions {
  /** The protocol that reaches the repository. */
  readonly protocol: "https" | "ssh";
  /** `host` or `host:port` of an https repository. */
  readonly authority: string | undefined;
  readonly credentials: readonly Credential[];
  /** Lines of a known_hosts file. */
  readonly knownHosts: string;
  /** Certificates of authorities that git trusts beside the image's, in PEM form. */
  readonly authorities?: string | undefined;
  /** Sets of signers. A commit needs a signature by one of each set. */
  readonly signers?: readonly Signers[];
}

/**
 * Returns the files of a clone by name: the whole configuration of git and ssh, and each credential in its
 * own file.
 */
export function privateFiles(options: PrivateFilesOptions): Readonly<Record<string, string>> {
  const { credentials, knownHosts, authorities, signers = [] } = options;
  return {
    ".gitconfig": gitConfig(options),
    ssh: SSH,
    ssh_config: sshConfig(credentials),
    known_hosts: knownHosts,
    ...authorities !== undefined && { authorities },
    ...Object.fromEntries(
      signers.flatMap(({ ssh, openpgp }, i) => [[`ssh-signers-${i}`, ssh], [`openpgp-keys-${i}`, openpgp]])
        .filter(([, text]) => text !== ""),
    ),
    ...Object.fromEntries(credentials.map(({ secret }, i) => [credentialFile(i), secret.trimEnd()])),
  };
}

/**
 * Encodes the files for the clone script's standard input, which keeps them out of every process's variables
 * and arguments. Each file is a line with its name, then its lines, each after a space. A dot ends the list.
 */
export function encodeFiles(files: Readonly<Record<string, string>>): Uint8Array {
  const text = Object.entries(files).map(([name, content]) =>
    [name, ...content.split(/\r?\n/).map((line) => ` ${line}`)].join("\n")
  );
  return new TextEncoder().encode([...text, ".", ""].join("\n"));
}

/** Records ssh's exit code, which git does not report. */
const SSH = `
ssh -F ${PRIVATE_FOLDER}/ssh_config "$@"
code=$?
echo "$code" >${PRIVATE_FOLDER}/ssh-exit
exit "$code"
`;

const credentialFile = (index: number): string => `credential-${index}`;

/**
 * Returns git's configuration, with no hooks or helpers and only the wanted protocols. A token is offered to
 * its own host only, at the https port or the repository's own. Submodules with ssh URLs are fetched by https
 * from hosts with a token, and from the repository's own host.
 */
function gitConfig({ protocol, authority, authorities, credentials }: PrivateFilesOptions): string {
  const own = authority?.replace(/:\d+$/, "");
  const tokens = credentials.flatMap(({ host, kind }, i) => kind === "token" ? [{ host, i }] : []);
  const hasKey = (host: string) =>
    credentials.some((given) => nameOf(given) === host && given.kind === "key");
  const protocols = new Set([
    protocol,
    "https",
    ...credentials.some(({ kind }) => kind === "key") ? ["ssh"] : [],
  ]);
  // Host name to https address.
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
    // A folder of a checkout that looks like a bare repository is none.
    "\tbareRepository = explicit",
    "[http]",
    "\tfollowRedirects = initial",
    ...authorities === undefined ? [] : [`\tsslCAInfo = ${PRIVATE_FOLDER}/ca-bundle`],
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

/** Returns ssh's configuration. It trusts only known host keys, and offers a host only the host's own key. */
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
