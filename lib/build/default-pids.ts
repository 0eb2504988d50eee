/** Processes and threads of a container where nobody says otherwise. */
export const DEFAULT_PIDS = 4096;
