/** An item that knows where in its heap it is: below 0, in none. In one heap at a time. */
export interface Heaped {
  at: number;
}

/** The first of many, by a total order that does not change while an item is inside, unless `moved` is told. */
export class Heap<Item extends Heaped> {
  readonly #items: Item[] = [];
  readonly #isBefore: (one: Item, other: Item) => boolean;

  constructor(isBefore: (one: Item, other: Item) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): Item | undefined {
    return this.#items[0];
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** Out of it; who is not inside stays so. */
  remove(item: Item): void {
    const { at } = item;
    if (at < 0) return;
    item.at = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#settle(last, at);
  }

  /** After its place in the order changed. */
  moved(item: Item): void {
    if (item.at >= 0) this.#settle(item, item.at);
  }

  #settle(item: Item, at: number): void {
    const above = this.#items[(at - 1) >> 1];
    if (at > 0 && above !== undefined && this.#isBefore(item, above)) this.#up(item, at);
    else this.#down(item, at);
  }

  #up(item: Item, from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#items[parent] as Item;
      if (!this.#isBefore(item, above)) break;
      this.#put(above, at);
      at = parent;
    }
    this.#put(item, at);
  }

  #down(item: Item, from: number): void {
    const count = this.#items.length;
    let at = from;
    for (let child = 2 * at + 1; child < count; child = 2 * at + 1) {
      const right = this.#items[child + 1];
      if (right !== undefined && this.#isBefore(right, this.#items[child] as Item)) child += 1;
      const below = this.#items[child] as Item;
      if (!this.#isBefore(below, item)) break;
      this.#put(below, at);
      at = child;
    }
    this.#put(item, at);
  }

  #put(item: Item, at: number): void {
    this.#items[at] = item;
    item.at = at;
  }
}
