/** One figure as it was measured. */
export interface Figure {
  /** What was measured, with how much of it: one line of the table. */
  readonly what: string;
  /** Ours, and what it is compared with, each with its unit. */
  readonly ours: string;
  readonly reference?: string;
  /** Ours divided by the reference; only where smaller is better. */
  readonly ratio?: number;
  /** What was aimed at, in words; undefined for what is only shown. */
  readonly target?: string;
  readonly isMet?: boolean;
  /** All numbers behind it, milliseconds or bytes as their names say. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** What a bench may use; everything it makes lies in `folder`, which is removed afterwards. */
export interface Bench {
  readonly name: string;
  /** Groups are what an issue asks for together. */
  readonly group: string;
  measure(place: Place): Promise<Figure[]>;
}

export interface Place {
  /** Empty, the bench's own. */
  readonly folder: string;
  /** The project. */
  readonly root: string;
  /** The program from source, on Bun. */
  readonly program: string;
  /** The program as a single file; undefined where `scripts/build` has not made it. */
  readonly compiled: string | undefined;
  /** With git, a C compiler and make. */
  readonly image: string;
  /** Says how far it has come. */
  say(text: string): void;
}
