import { FLUTTER_BUILDER } from "../build/flutter-builder.ts";
import { driverProgram } from "../driver/program/main.ts";
import type { Drivers } from "./shared/drivers.ts";

/** The program of one of the four drivers, which is loaded when it starts: its help and version do not wait for it. */
export async function standalone(name: string, load: Drivers[string]): Promise<void> {
  await driverProgram(name, [FLUTTER_BUILDER], load);
}
