/** The resource type of the tutorial. In a file of its own: what only names it loads no schemas. */
export const FLUTTER_BUILDER = "flutter-builder";
