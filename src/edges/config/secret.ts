/** Shorter values are place-holders that local servers ask for ("x", "ollama"), and hiding them would tear words apart. */
const secretCharactersMin = 8;

/**
 * A key. It shows as "[secret]" wherever a value is printed, joined or serialised; only `reveal` gives it, and only the
 * lines that fill in a request header, or look for it in an answer, call that.
 */
export class Secret {
  readonly #value: string;

  /** `value` as the environment holds it; surrounding white space is dropped, because a key file often ends in a line feed. */
  constructor(value: string) {
    this.#value = value.trim();
  }

  reveal(): string {
    return this.#value;
  }

  /** True when a header can carry it: printable ASCII without spaces, 1 to 4,096 characters. */
  isSendable(): boolean {
    return /^[\x21-\x7e]{1,4096}$/.test(this.#value);
  }

  /** The text with every occurrence of the key (plain, percent-encoded, base64) replaced by "[secret]". */
  conceal(text: string): string {
    if (this.#value.length < secretCharactersMin) return text;
    const bytes = Buffer.from(this.#value);
    const forms = [
      this.#value,
      encodeURIComponent(this.#value.toWellFormed()),
      bytes.toString("base64"),
      bytes.toString("base64url"),
    ];
    return forms.reduce((shown, form) => shown.replaceAll(form, "[secret]"), text);
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}
