import { z } from "zod";
import { noNul } from "../no-nul.ts";

/** An entry of `spec.reports`. */
export const ReportEntry = z.strictObject({ junit: noNul("a glob").min(1) });
