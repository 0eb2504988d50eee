import { getLogger, type Logger } from "@logtape/logtape";

/**
 * Returns the logger of the process (not of a build) for a room. Silent until the command line has configured
 * it.
 */
export const processLog = (room: string): Logger => getLogger(["conveyor", room]);

/** Subcategory in the rooms of drivers and engine: one line for each step or run that begins or ends. */
export const OUTCOME_LOG = "outcome";
