/** The tutorial's resource type. It has a file of its own, so that importing it loads no schemas. */
export const FLUTTER_BUILDER = "flutter-builder";
