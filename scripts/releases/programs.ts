/** The programs of a release. */
export const PROGRAMS = ["flutter-ci", "container-start", "git-cloner", "builder", "container-stop"] as const;
export type Program = (typeof PROGRAMS)[number];
