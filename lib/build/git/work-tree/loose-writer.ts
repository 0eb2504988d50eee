import { createHash, randomUUID } from "node:crypto";
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createDeflate, deflateSync } from "node:zlib";
import { InputError } from "../../../base/errors.ts";
import type { ObjectType } from "../objects/format.ts";
import { looseName } from "../objects/loose.ts";
import type { OpenFile } from "../local/git-folder.ts";

const QUICK = { level: 1 };
const CHUNK_BYTES = 256 * 1024;
/** Files up to this size are read whole. */
const SMALL_BYTES = 1024 * 1024;

/** Writes git objects as files of their own, into a folder of ours. */
export class LooseWriter {
  readonly #folder: string;
  readonly #algorithm: "sha1" | "sha256";

  constructor(folder: string, algorithm: "sha1" | "sha256") {
    this.#folder = folder;
    this.#algorithm = algorithm;
  }

  /** Writes an object and returns its id. */
  write(type: ObjectType, bytes: Uint8Array): string {
    const whole = Buffer.concat([headerOf(type, bytes.length), bytes]);
    const id = createHash(this.#algorithm).update(whole).digest("hex");
    writeFileSync(this.#place(id), deflateSync(whole, QUICK));
    return id;
  }

  /** Writes a file's bytes as they are. Throws InputError if it shrinks meanwhile. */
  async writeFile(file: OpenFile): Promise<string> {
    if (file.size <= SMALL_BYTES) return this.write("blob", readWhole(file));
    const hash = createHash(this.#algorithm);
    const part = join(this.#folder, `${randomUUID()}.part`);
    const pieces = function* () {
      yield headerOf("blob", file.size);
      for (let at = 0; at < file.size; at += CHUNK_BYTES) {
        yield readExactly(file, at, Math.min(CHUNK_BYTES, file.size - at));
      }
    };
    const hashed = function* () {
      for (const piece of pieces()) {
        hash.update(piece);
        yield piece;
      }
    };
    await pipeline(Readable.from(hashed()), createDeflate(QUICK), createWriteStream(part, { mode: 0o600 }));
    const id = hash.digest("hex");
    renameSync(part, this.#place(id));
    return id;
  }

  #place(id: string): string {
    mkdirSync(join(this.#folder, id.slice(0, 2)), { recursive: true });
    return join(this.#folder, looseName(id));
  }
}

const headerOf = (type: ObjectType, size: number): Buffer => Buffer.from(`${type} ${size}\0`, "latin1");

const readWhole = (file: OpenFile): Buffer => readExactly(file, 0, file.size);

function readExactly(file: OpenFile, offset: number, length: number): Buffer {
  const bytes = file.read(offset, length);
  if (bytes.length === length) return bytes;
  throw new InputError(`Cannot build the working tree: "${file.path}" changed while it was read`);
}
