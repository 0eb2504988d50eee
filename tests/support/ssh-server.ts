import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FULL_GIT_IMAGE } from "./full-git-image.ts";
import { freePort } from "./nats-server.ts";

/** A real ssh server on loopback with one repository, for containers in the network "host". */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  /** Private keys: one that may clone, one whose clone never answers, and one that is unknown. */
  readonly keys: { readonly opens: string; readonly hangs: string; readonly stranger: string };
  /** Its own public key: type and key. */
  readonly hostKey: string;
  url(name?: string): string;
  /** Resolves once the key whose clone never answers has logged in. */
  readonly hasHung: Promise<void>;
}

const SETUP = `
set -e
mkdir -p /run/sshd /home/git/.ssh
useradd -d /home/git -s /bin/sh git
usermod -p '*' git
printf '%s\\n' "$OPENS" "command=\\"sleep 600\\" $HANGS" >/home/git/.ssh/authorized_keys
git init -q -b main /home/git/app.git
cd /home/git/app.git
echo one >a.txt
git add .
git -c user.name=T -c user.email=t@example.org commit -qm one
chown -R git /home/git
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/own
echo "HOST KEY $(cat /etc/ssh/own.pub)"
exec /usr/sbin/sshd -D -e -f /dev/null -h /etc/ssh/own -p "$PORT" -o ListenAddress=127.0.0.1 -o UsePAM=no
`;

export async function startSshServer(): Promise<SshServer> {
  const folder = mkdtempSync(join(tmpdir(), "ssh-server-"));
  const pair = (name: string) => {
    const file = join(folder, name);
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    const [, fingerprint = ""] = execFileSync("ssh-keygen", ["-lf", file], { encoding: "utf8" }).split(" ");
    return {
      key: readFileSync(file, "utf8"),
      shown: readFileSync(`${file}.pub`, "utf8").trim(),
      fingerprint,
    };
  };
  const [opens, hangs, stranger] = [pair("opens"), pair("hangs"), pair("stranger")];
  rmSync(folder, { recursive: true });
  const port = await freePort();
  const variables = Object.entries({ OPENS: opens.shown, HANGS: hangs.shown, PORT: port })
    .flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const name = `conveyor-test-ssh-${port}`;
  const child = spawn("docker", [
    ...[
      "run",
      "--rm",
      "--init",
      "--name",
      name,
      "--network",
      "host",
      ...variables,
      FULL_GIT_IMAGE,
      "sh",
      "-c",
      SETUP,
    ],
  ], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const hear = (line: string) => {
    lines.push(line);
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", hear);
  const closed = once(child, "close");
  const said = (text: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (lines.some((line) => line.includes(text))) resolve();
    };
    waiting.add(look);
    look();
    promise.catch(() => {});
    closed.then(() => reject(new Error(`The ssh server ended without "${text}":\n${lines.join("\n")}`)));
    return promise;
  };
  await Promise.all([said("HOST KEY "), said("Server listening")]);
  const hostKey = lines.find((line) => line.startsWith("HOST KEY "))?.split(" ").slice(2, 4).join(" ") ?? "";
  return {
    port,
    keys: { opens: opens.key, hangs: hangs.key, stranger: stranger.key },
    hostKey,
    url: (name = "app.git") => `ssh://git@127.0.0.1:${port}/home/git/${name}`,
    hasHung: said(hangs.fingerprint),
    async [Symbol.asyncDispose]() {
      execFileSync("docker", ["rm", "-f", name], { stdio: "ignore" });
      await closed;
    },
  };
}
