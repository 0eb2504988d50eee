import { getLogger, type Logger } from "@logtape/logtape";

/** The process's own log (not a build's), by room. Silent until the command line has said where it goes. */
export const processLog = (room: string): Logger => getLogger(["conveyor", room]);

/** Within the room of drivers: one line for each step that has ended. */
export const OUTCOME_LOG = "outcome";
