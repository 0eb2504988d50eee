import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { RecentMap } from "../../base/recent-map.ts";
import type { Store } from "../../backend/store.ts";
import { describeIssues, parseForeign } from "../../wire/issues.ts";
import type { Pipeline } from "../../wire/resource.ts";
import type { StoredDefinition } from "../../wire/stored.ts";
import type { ResourceType, SpecFacts } from "../core/resource-type.ts";
import type { SchemaCheck } from "./json-schema.ts";

export interface CatalogOptions {
  readonly store: Pick<Store, "definitions" | "pipelines">;
  /** The types that are registered with this process, each with its default pipeline. */
  readonly types: readonly ResourceType[];
}

/** Compiled schemas kept in memory. */
const COMPILED = 200;

/** The resource types and pipelines that are stored, or registered with this process. */
export class Catalog {
  readonly #store: CatalogOptions["store"];
  readonly #types: ReadonlyMap<string, ResourceType>;
  /** By type and revision of its definition. */
  readonly #checks = new RecentMap<SchemaCheck>(COMPILED);

  constructor({ store, types }: CatalogOptions) {
    this.#store = store;
    this.#types = new Map(types.map((type) => [type.name, type]));
  }

  /** Returns the definition of a type; undefined if there is none. */
  async definition(name: string): Promise<StoredDefinition | undefined> {
    return (await this.#store.definitions.get(name))?.value ?? this.#registered(name);
  }

  /** Returns the definitions of registered types that are not stored. */
  async registeredDefinitions(): Promise<StoredDefinition[]> {
    const names = [...this.#types.keys()];
    const stored = await Promise.all(names.map((name) => this.#store.definitions.get(name)));
    return names.flatMap((name, i) => stored[i] ? [] : this.#registered(name) ?? []);
  }

  /** Returns a pipeline by its name; a registered one cannot be replaced. */
  async pipeline(name: string): Promise<Pipeline | undefined> {
    return this.registeredPipeline(name) ?? (await this.#store.pipelines.get(name))?.value;
  }

  registeredPipeline(name: string): Pipeline | undefined {
    return this.registeredPipelines().find((pipeline) => pipeline.name === name);
  }

  registeredPipelines(): Pipeline[] {
    return Array.from(this.#types.values(), ({ pipeline }) => pipeline ?? []).flat();
  }

  /**
   * Returns the pipeline of a type's resources that name none: that of the registered type, that of the
   * definition, or one of the definition's drivers. Undefined if the type has none.
   */
  async defaultPipeline(name: string): Promise<Pipeline | undefined> {
    const registered = this.#types.get(name)?.pipeline;
    if (registered) return registered;
    const { pipeline, drivers } = (await this.#store.definitions.get(name))?.value ?? {};
    if (pipeline !== undefined) {
      const found = await this.pipeline(pipeline);
      if (found?.resource === name) return found;
      throw new InputError(
        `body.pipeline: expected one, since "${pipeline}", the default pipeline of the type "${name}", ${
          found ? `is for "${found.resource}"` : "does not exist"
        }`,
      );
    }
    return drivers && {
      name: `${name}-default`,
      resource: name,
      steps: drivers.map((driver) => ({ id: driver, name: driver, driver })),
    };
  }

  /**
   * Checks a spec and returns what it says about its run. A type that nobody has defined accepts any spec.
   * Throws InputError, one line per mistake, each with its path below `root`.
   */
  async checkSpec(type: string, spec: unknown, root: string): Promise<SpecFacts> {
    const registered = this.#types.get(type);
    let facts: SpecFacts = {};
    if (registered?.spec) {
      const parsed = parseForeign(registered.spec, spec);
      if (!parsed.success) throw new InputError(describeIssues(parsed.error, spec, root));
      facts = registered.followsFrom?.(parsed.data) ?? {};
    }
    const check = await this.#check(type);
    const mistakes = check?.(spec, root) ?? [];
    if (mistakes.length > 0) throw new InputError(mistakes.join("\n"));
    return facts;
  }

  async #check(type: string): Promise<SchemaCheck | undefined> {
    const found = await this.#store.definitions.get(type);
    if (!found) return undefined;
    const key = `${type}@${found.revision}`;
    const known = this.#checks.get(key);
    if (known) return known;
    // Most control planes check the specs of registered types only.
    const { compileSchema } = await import("./json-schema.ts");
    const { schema } = found.value;
    const check = compileSchema(this.#types.get(type)?.spec ? partsOf(schema) : schema);
    this.#checks.set(key, check);
    return check;
  }

  #registered(name: string): StoredDefinition | undefined {
    const type = this.#types.get(name);
    if (!type) return undefined;
    const schema = type.spec ? z.toJSONSchema(type.spec, { io: "input", unrepresentable: "any" }) : {};
    return { id: name, name, description: "Registered with the control plane", version: "1", schema };
  }
}

/** Returns a schema of the drivers' own parts only: the registered type's own schema checks the rest. */
function partsOf(schema: unknown): unknown {
  if (typeof schema !== "object" || schema === null || !("properties" in schema)) return true;
  const { properties, ...rest } = schema;
  const drivers: unknown = Object(properties).drivers;
  const definitions = Object.fromEntries(
    Object.entries(rest).filter(([key]) => ["$schema", "$id", "$defs", "definitions"].includes(key)),
  );
  return drivers === undefined ? true : { ...definitions, properties: { drivers } };
}
