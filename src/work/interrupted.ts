/** The foreman was stopped on purpose; everything can be gone on with. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor() {
    super("interrupted");
  }
}
