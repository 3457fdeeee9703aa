/** One guard of the product, how it is taken away, and the test that notices. */
export interface Guard {
  readonly name: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly test: string;
  /** A part of the test's title. */
  readonly title: string;
}
