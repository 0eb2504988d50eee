import type { Command, OptionValues } from "@commander-js/extra-typings";
import { InputError, messageOf } from "../../base/errors.ts";
import type { Driver } from "../../driver/driver.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { applyEnvironment } from "../../driver/program/command-line/flag.ts";
import { longsOf, withPolicyFlags } from "../../driver/program/policy-flags.ts";
import { loadDrivers } from "./load-driver.ts";

/** A command whose flag `--driver` names drivers of the operator's own. */
type Naming<A extends unknown[], O extends OptionValues, G extends OptionValues> = Command<A, O, G>;

/**
 * Adds the policy flags of the drivers that `--driver` names, so it loads them before the command line is
 * parsed. `probe` is a copy of the command, which finds `--driver` among the other flags; `words` is the
 * whole command line. Throws InputError, also for a flag that the command has already.
 */
export async function withOwnPolicies<
  A extends unknown[],
  O extends OptionValues & { driver?: string[] | undefined },
  G extends OptionValues,
>(command: Naming<A, O, G>, probe: Naming<A, O, G>, words: readonly string[]): Promise<Command<A, O, G>> {
  if (words[0] !== command.name()) return command;
  for (const driver of await loadDrivers(namedDrivers(probe, words.slice(1)))) {
    addFlags(command, driver);
  }
  return command;
}

function namedDrivers<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  probe: Naming<A, O, G>,
  words: readonly string[],
): string[] {
  const named = () => probe.getOptionValue("driver") as string[] | undefined;
  // Each of these reports its errors when the real command is parsed.
  try {
    probe.parseOptions([...words]);
  } catch {
    // Flags before the wrong one have been read.
  }
  try {
    if (named() === undefined) applyEnvironment(probe, { CONVEYOR_DRIVER: environment.CONVEYOR_DRIVER });
  } catch {
    // No driver is named.
  }
  return named() ?? [];
}

function addFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  { name, policy }: Driver,
): void {
  let longs: string[];
  try {
    longs = longsOf(policy);
  } catch (error) {
    throw new InputError(`--driver: "${name}" has no usable policy: ${messageOf(error)}`, { cause: error });
  }
  const taken = longs.find((long) => command.options.some((option) => option.long === long));
  if (taken !== undefined) {
    throw new InputError(
      `--driver: "${name}" has a flag ${taken} in its policy, which is there already: expected another name`,
    );
  }
  if (longs.length > 0) withPolicyFlags(command.optionsGroup(`Driver ${name}:`), policy);
}
