import { createHash } from "node:crypto";
import type { Facts } from "./facts.ts";
import type { Package } from "./packages.ts";
import { BUN_VERSION, type Target } from "./targets.ts";

/** What a program is made of, as CycloneDX 1.6: the packages with files in it, and the runtime. */
export function sbomOf(
  program: string,
  { version, commit, time }: Facts,
  { name: target, runtime, integrity }: Target,
  packages: readonly Package[],
  direct: readonly string[],
): string {
  const own = `pkg:generic/${program}@${version}?target=${target}`;
  const bun = purl(runtime, BUN_VERSION);
  const refs = new Map(packages.map(({ name, version }) => [name, purl(name, version)]));
  const refsOf = (names: readonly string[]) => names.map((name) => refs.get(name));
  const content = {
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": own,
        name: program,
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        properties: [
          { name: "target", value: target },
          ...commit === undefined ? [] : [{ name: "commit", value: commit }],
        ],
      },
    },
    components: [
      {
        type: "platform",
        "bom-ref": bun,
        name: "bun",
        version: BUN_VERSION,
        licenses: [{ license: { id: "MIT" } }],
        hashes: [{
          alg: "SHA-512",
          content: Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex"),
        }],
        purl: bun,
      },
      ...packages.map(({ name, version, license, sha512 }) => ({
        type: "library",
        "bom-ref": purl(name, version),
        name,
        version,
        licenses: [/^[\w.+-]+$/.test(license) ? { license: { id: license } } : { expression: license }],
        ...sha512 !== undefined && { hashes: [{ alg: "SHA-512", content: sha512 }] },
        purl: purl(name, version),
      })),
    ],
    dependencies: [
      { ref: own, dependsOn: [bun, ...refsOf(direct)] },
      { ref: bun },
      ...packages.map(({ name, version, dependencies }) => ({
        ref: purl(name, version),
        dependsOn: refsOf(dependencies),
      })),
    ],
  };
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: serialOf(content),
    version: 1,
    ...content,
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

const purl = (name: string, version: string): string => `pkg:npm/${name.replace("@", "%40")}@${version}`;

/** A UUID made from the content, so that the same release has the same. */
function serialOf(content: unknown): string {
  const bytes = createHash("sha256").update(JSON.stringify(content)).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `urn:uuid:${
    [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([from, to]) => hex.slice(from, to)).join("-")
  }`;
}
