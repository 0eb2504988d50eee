import { InputError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import type { Service } from "./spec.ts";

/** What a service may use. */
export interface ServiceLimits {
  /** All CPUs if undefined. */
  readonly cpus: number | undefined;
  /** Bytes. */
  readonly memory: number;
  readonly pids: number;
}

type Most = Readonly<Record<"maxCpus" | "maxMemory" | "maxPids", number | undefined>>;

/** Memory of a service that asks for none, bytes. */
const DEFAULT_MEMORY = 1024 ** 3;
const DEFAULT_PIDS = 1024;
/** The least that Docker accepts. */
const LEAST_MEMORY = 6 * 1024 ** 2;
const LEAST_CPUS = 0.01;

/**
 * Returns the limits of each service. All services of a build together get at most what the operator allows
 * one container: those that ask for nothing share what the others leave. Throws InputError, one problem a
 * line, if the others leave too little.
 */
export function serviceLimits(services: readonly Service[], most: Most): ServiceLimits[] {
  const asked = <K extends keyof ServiceLimits>(what: K) => services.map(({ limits }) => limits[what]);
  const problems: string[] = [];
  const shared = (
    name: string,
    wanted: readonly (number | undefined)[],
    { most, usual, least, format }: {
      most: number | undefined;
      usual: number;
      least: number;
      format: (n: number) => string;
    },
  ): number[] => {
    const taken = wanted.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const waiting = wanted.filter((value) => value === undefined).length;
    const each = Math.min(usual, ((most ?? Infinity) - taken) / waiting);
    // One that alone asks for too much is a problem of its own.
    const isOfOne = wanted.some((value = 0) => most !== undefined && value > most);
    if (most !== undefined && !isOfOne && taken > most) {
      problems.push(
        `limits.${name} of the services add up to ${format(taken)}, more than the ${
          format(most)
        } that are allowed here`,
      );
    } else if (!isOfOne && waiting > 0 && each < least) {
      problems.push(
        `limits.${name} of the services leave too little of the ${
          format(most ?? 0)
        } that are allowed here for those without it: expected ${format(least)} for each`,
      );
    }
    return wanted.map((value) => value ?? each);
  };
  const cpus = shared("cpus", asked("cpus"), {
    most: most.maxCpus,
    usual: most.maxCpus ?? Infinity,
    least: LEAST_CPUS,
    format: String,
  });
  const memory = shared("memory", asked("memory"), {
    most: most.maxMemory,
    usual: DEFAULT_MEMORY,
    least: LEAST_MEMORY,
    format: formatSize,
  });
  const pids = shared("pids", asked("pids"), {
    most: most.maxPids,
    usual: DEFAULT_PIDS,
    least: 1,
    format: String,
  });
  if (problems.length > 0) throw new InputError(problems.join("\n"));
  return services.map((_, i) => ({
    cpus: cpus[i] === Infinity ? undefined : cpus[i],
    memory: Math.floor(memory[i] ?? DEFAULT_MEMORY),
    pids: Math.floor(pids[i] ?? DEFAULT_PIDS),
  }));
}
