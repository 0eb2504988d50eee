/** Names of the file at a repository's root that says how to build it. */
export const OWN_FILES = [".conveyor.yaml", ".conveyor.yml", ".conveyor.json"];

/** Whether a spec without defaults says what to run, or in which image. */
export const saysWhatToRun = ({ commands, script, image }: Readonly<Record<string, unknown>>): boolean =>
  [commands, script, image].some((value) => value !== undefined);
