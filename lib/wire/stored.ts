import type { Resource, ResourceDefinition } from "./resource.ts";

/** A resource type as it is stored. */
export interface StoredDefinition extends ResourceDefinition {
  /** The schema's JSON text, if parsing and writing it again would change it. */
  readonly schemaText?: string;
}

/** A version of a resource as it is stored. */
export interface StoredResource {
  readonly resource: Resource;
  /** The spec's JSON text, if parsing and writing it again would change it. */
  readonly specText?: string;
  /** The newest run of this version. */
  readonly run: string;
}
