import type { GitFolder, OpenFile } from "../local/git-folder.ts";
import { corrupt, type GitObject, MOST_WHOLE_BYTES, type ObjectType, TYPES } from "./format.ts";
import { inflate, inflateStart } from "./inflate.ts";

/** Above the compressed size of any object's header. */
const START_BYTES = 128;

/** An open object in its own file. */
export interface LooseObject extends Disposable {
  readonly type: ObjectType;
  /** Size of its data without the header, bytes. */
  readonly size: number;
  readonly headerBytes: number;
  readonly file: OpenFile;
}

export const looseName = (id: string): string => `${id.slice(0, 2)}/${id.slice(2)}`;

/** Opens a loose object. Undefined if it is missing. Throws InputError if it is not an object. */
export function openLoose(folder: GitFolder, id: string): LooseObject | undefined {
  const file = folder.open(looseName(id));
  if (!file) return undefined;
  try {
    const start = inflateStart(file.read(0, START_BYTES), whereOf(file));
    const header = /^(commit|tree|blob|tag) (0|[1-9][0-9]{0,15})\0/.exec(start.toString("latin1", 0, 32));
    const [text = "", type = "", size] = header ?? [];
    if (!Object.hasOwn(TYPES, type)) throw corrupt(whereOf(file), "it begins with no object's type and size");
    return {
      type: type as ObjectType,
      size: Number(size),
      headerBytes: text.length,
      file,
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** Reads the whole object. Throws InputError if it is too large for memory. */
export function readLoose({ type, size, headerBytes, file }: LooseObject): GitObject {
  const whole = headerBytes + size;
  const most = whole + Math.ceil(whole / 1000) + 64;
  if (size > MOST_WHOLE_BYTES) throw corrupt(whereOf(file), "it is too large");
  const bytes = inflate(file.read(0, Math.min(file.size, most)), whole, whereOf(file));
  return { type, bytes: bytes.subarray(headerBytes) };
}

export const whereOf = (file: OpenFile): string => `the object "${file.path}"`;
