/** A measured figure. */
export interface Figure {
  /** What was measured, and how much of it: the title of its line in the table. */
  readonly what: string;
  /** Our value and the one that it is compared with, each with its unit. */
  readonly ours: string;
  readonly reference?: string;
  /** Ours divided by the reference; only where smaller is better. */
  readonly ratio?: number;
  /** The target in words; undefined if the figure is only shown. */
  readonly target?: string;
  readonly isMet?: boolean;
  /** All numbers behind the figure. Their names end in their unit. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** What a bench may use. It writes only into `folder`, which is removed afterwards. */
export interface Bench {
  readonly name: string;
  /** Groups are what an issue asks for together. */
  readonly group: string;
  /** Other groups that ask for it too. */
  readonly alsoIn?: readonly string[];
  measure(place: Place): Promise<Figure[]>;
}

export interface Place {
  /** An empty folder of the bench's own. */
  readonly folder: string;
  /** The project's folder. */
  readonly root: string;
  /** The program from source, on Bun. */
  readonly program: string;
  /** The program as a single file; undefined if `scripts/build` has not made it. */
  readonly compiled: string | undefined;
  /** An image with git, a C compiler and make. */
  readonly image: string;
  /** Prints progress. */
  say(text: string): void;
}
