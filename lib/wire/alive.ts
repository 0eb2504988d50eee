import { z } from "zod";

/**
 * The engine's answer on `runs.<run>.alive`. `waitsFor`: the driver of the next step, if no instance works on
 * it: its event is queued, or the instance that had it has been silent for too long.
 */
export const AliveReply = z.object({ alive: z.boolean(), waitsFor: z.string().optional() });
export type AliveReply = z.infer<typeof AliveReply>;
