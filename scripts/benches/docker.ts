import { runProcess } from "./processes.ts";

/** Returns what `docker` prints. */
export async function docker(...words: string[]): Promise<string> {
  return (await runProcess(["docker", ...words], { output: true })).stdout.trim();
}

/** Returns all containers, volumes and networks of the daemon, ours or not. */
export async function dockerObjects(): Promise<Set<string>> {
  const [containers, volumes, networks] = await Promise.all([
    docker("ps", "--all", "--quiet", "--no-trunc"),
    docker("volume", "ls", "--quiet"),
    docker("network", "ls", "--quiet", "--no-trunc"),
  ]);
  const named = (kind: string, ids: string) => ids.split("\n").filter(Boolean).map((id) => `${kind} ${id}`);
  return new Set([
    ...named("container", containers),
    ...named("volume", volumes),
    ...named("network", networks),
  ]);
}

const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "SETFCAP", "KILL"];

/**
 * The words after `docker` that start a container like a build's: the same volume, limits, init, network,
 * capabilities and idle process. The network `conveyor` is there once a build has run.
 */
export async function containerWords(image: string, name: string, network = "conveyor"): Promise<string[]> {
  const memory = Math.floor(Number(await docker("info", "--format", "{{.MemTotal}}")) * 0.8);
  return [
    ...["run", "--detach", "--init", "--name", name, "--label", `conveyor.bench=${name}`],
    ...["--mount", `type=volume,target=/workspace,volume-label=conveyor.bench=${name}`],
    ...["--workdir", "/workspace", "--user", "0", "--network", network, "--log-driver", "none"],
    ...["--memory", String(memory), "--memory-swap", String(memory), "--pids-limit", "4096"],
    ...["--security-opt", "no-new-privileges", "--cap-drop", "ALL"],
    ...CAPABILITIES.flatMap((name) => ["--cap-add", name]),
    ...["--entrypoint", "/bin/sh", image, "-c", "trap '' TERM INT HUP; exec sleep 2147483647"],
  ];
}

/** Quotes a word for a shell. */
export const shellWord = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
