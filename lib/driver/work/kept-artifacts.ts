import { InputError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import type { DriverSettings } from "../driver.ts";

/** Enforces the operator's limits on a step's artifacts. */
export class KeptArtifacts {
  readonly #limits: Pick<DriverSettings, "maxArtifactBytes" | "maxArtifactFiles">;
  #files = 0;
  #bytes = 0;

  constructor(limits: Pick<DriverSettings, "maxArtifactBytes" | "maxArtifactFiles">) {
    this.#limits = limits;
  }

  /**
   * Passes on the bytes of one more artifact and counts them. Throws InputError if there are too many
   * artifacts, or during iteration if there are too many bytes.
   */
  counted(name: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const { maxArtifactFiles: most } = this.#limits;
    if (this.#files >= most) {
      throw new InputError(
        `Cannot keep "${name}": the step has kept ${most} artifacts, as many as are allowed`,
      );
    }
    this.#files++;
    return this.#counting(name, bytes);
  }

  async *#counting(name: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { maxArtifactBytes: most } = this.#limits;
    for await (const chunk of bytes) {
      this.#bytes += chunk.length;
      if (this.#bytes > most) {
        throw new InputError(
          `Cannot keep "${name}": the step's artifacts have more than the ${
            formatSize(most)
          } that are allowed`,
        );
      }
      yield chunk;
    }
  }
}
