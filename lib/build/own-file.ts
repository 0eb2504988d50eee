/** Names of the file at a repository's root that says how to build it. */
export const OWN_FILES = [".conveyor.yaml", ".conveyor.yml", ".conveyor.json"];

/** Whether a spec without defaults says what to run. */
export const saysWhatToRun = ({ commands, script }: Readonly<Record<string, unknown>>): boolean =>
  commands !== undefined || script !== undefined;
