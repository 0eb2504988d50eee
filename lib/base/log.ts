import { getLogger, type Logger } from "@logtape/logtape";

/** The process's own log (not a build's), by room. Silent until the command line has said where it goes. */
export const processLog = (room: string): Logger => getLogger(["conveyor", room]);

/** Within the rooms of drivers and of the engine: one line for each step, and run, that has begun or ended. */
export const OUTCOME_LOG = "outcome";
