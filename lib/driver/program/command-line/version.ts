import manifest from "../../../../package.json" with { type: "json" };

/** The version of this package. An import, so that compilers and bundlers take it along without being told. */
export const version = (): string => manifest.version;
