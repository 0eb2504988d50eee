import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import { screenOf } from "../shared/render/screen.ts";
import { brokerFindings } from "./broker-findings.ts";
import type { CheckOptions, Finding } from "./finding.ts";
import { dataFindings, dockerFindings } from "./host-findings.ts";
import { planeFindings } from "./plane-findings.ts";
import type { InspectOptions } from "../shared/runs/use-runs.ts";

/** Prints what was found, and answers the exit code. */
export async function doctor(options: CheckOptions & InspectOptions): Promise<number> {
  startProcessLog({ level: "error", format: options.logFormat, write: (line) => process.stderr.write(line) });
  const { style } = screenOf();
  const signs = { ok: style.green("ok  "), warn: style.yellow("warn"), fail: style.red("FAIL") };
  let isFailed = false;
  for (const look of [dataFindings, dockerFindings, planeFindings, brokerFindings]) {
    for (const finding of await look(options, environment)) {
      isFailed ||= finding.level === "fail";
      process.stdout.write(options.json ? `${JSON.stringify(finding)}\n` : shown(finding, signs));
    }
  }
  return isFailed ? EXIT.unavailable : EXIT.ok;
}

function shown({ level, what, message, remedy }: Finding, signs: Record<Finding["level"], string>): string {
  const rest = remedy === undefined ? "" : `     ${neutralText(remedy)}\n`;
  return `${signs[level]} ${what}: ${neutralText(message)}\n${rest}`;
}
