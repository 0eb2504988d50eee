import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { Command, duration, envName, size } from "../fields.ts";
import { noNul } from "../no-nul.ts";

const MOST_SERVICES = 8;
const DEFAULT_WAIT_MS = 60_000;

const ServiceEnv = z.union([
  z.strictObject({ name: envName, value: noNul("a value") }),
  z.strictObject({ name: envName, secret: envName }),
]);

const Service = z.strictObject({
  name: z.string().regex(
    /^[a-z][a-z0-9-]{0,31}$/,
    "expected a host name: a small letter, then small letters, digits and -, at most 32",
  ),
  image: z.string().min(1),
  command: z.array(noNul("arguments")).min(1).optional(),
  env: z.array(ServiceEnv).max(100).default([]),
  ports: z.array(z.int().min(1).max(65_535)).max(16).default([]),
  health: z.strictObject({
    command: Command,
    timeout: duration.optional(),
  }).optional(),
  limits: z.strictObject({
    cpus: z.number().positive().optional(),
    memory: size.refine((bytes) => bytes > 0, "expected more than 0").optional(),
    pids: z.int().positive().optional(),
  }).prefault({}),
});
export type Service = z.infer<typeof Service>;

/** `spec.services`. */
export const Services = z.array(Service).max(MOST_SERVICES).default([]).describe(
  "containers beside the build's, such as a database for tests: [services.md](services.md)",
);

/** How long the build waits for a service, milliseconds. */
export const waitOf = ({ health }: Pick<Service, "health">): number => health?.timeout ?? DEFAULT_WAIT_MS;

/** Throws InputError, one problem a line, for services that cannot be started beside each other. */
export function checkServices(
  services: readonly Service[],
  { network, secrets }: { network: string; secrets: readonly string[] },
): void {
  if (services.length === 0) return;
  const problems: string[] = [];
  if (!["bridge", "none"].includes(network)) {
    problems.push(
      `Services have a network of the run's own: expected spec.network "bridge" or "none", got "${network}"`,
    );
  }
  for (const [i, { name, env }] of services.entries()) {
    if (services.findIndex((other) => other.name === name) < i) {
      problems.push(`Two services are named "${name}": expected names of their own`);
    }
    for (const entry of env) {
      if ("secret" in entry && !secrets.includes(entry.secret)) {
        problems.push(`The secret "${entry.secret}" of the service "${name}" is not one of spec.secrets`);
      }
    }
  }
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}
