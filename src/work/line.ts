/**
 * Those who wait, in the order of rank, of equals in the order of coming. Only the first of them are looked at, so only those
 * are kept in order; the rest is a heap. Adding and taking out cost the logarithm of how many wait.
 */

export interface Ranked {
  /** The smaller goes first. */
  readonly rank: number;
}

/** Somebody's stand in a line. */
export interface Stand<Item> {
  readonly item: Item;
  readonly order: number;
  where: "in view" | "behind" | "out";
}

export class Line<Item extends Ranked> {
  readonly #viewMax: number;
  readonly #view: Stand<Item>[] = [];
  /** What `view` gave, until somebody comes or goes. */
  #seen: readonly Item[] | undefined;
  /** A heap; who left is dropped when it comes to the top, or when half of all have left. */
  #rest: Stand<Item>[] = [];
  #goneInRest = 0;
  #order = 0;
  #size = 0;
  #arrivals = 0;

  /** `viewMax`: so many are in view at once, at least 1. */
  constructor(viewMax: number) {
    this.#viewMax = viewMax;
  }

  get size(): number {
    return this.#size;
  }

  /** How often anybody came into view, ever. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** The first of all, in order. */
  view(): readonly Item[] {
    this.#seen ??= this.#view.map(({ item }) => item);
    return this.#seen;
  }

  /** Stands behind all of its rank. */
  add(item: Item): Stand<Item> {
    this.#size += 1;
    this.#order += 1;
    const stand: Stand<Item> = { item, order: this.#order, where: "behind" };
    const last = this.#view.at(-1);
    if (this.#view.length >= this.#viewMax && last !== undefined && !isBefore(stand, last)) {
      push(this.#rest, stand);
      return stand;
    }
    this.#see(stand);
    const over = this.#view.length > this.#viewMax ? this.#view.pop() : undefined;
    if (over !== undefined) {
      over.where = "behind";
      this.#seen = undefined;
      push(this.#rest, over);
    }
    return stand;
  }

  /** A second time changes nothing. */
  remove(stand: Stand<Item>): void {
    const { where } = stand;
    if (where === "out") return;
    this.#size -= 1;
    stand.where = "out";
    if (where === "in view") {
      this.#view.splice(this.#view.indexOf(stand), 1);
      this.#seen = undefined;
      this.#refill();
      return;
    }
    this.#goneInRest += 1;
    if (this.#goneInRest * 2 > this.#rest.length) this.#sweep();
  }

  #see(stand: Stand<Item>): void {
    let at = this.#view.length;
    while (at > 0 && isBefore(stand, this.#view[at - 1] as Stand<Item>)) at -= 1;
    this.#view.splice(at, 0, stand);
    this.#seen = undefined;
    stand.where = "in view";
    this.#arrivals += 1;
  }

  #refill(): void {
    while (this.#view.length < this.#viewMax) {
      const stand = pop(this.#rest);
      if (stand === undefined) return;
      if (stand.where === "behind") this.#see(stand);
      else this.#goneInRest -= 1;
    }
  }

  #sweep(): void {
    // What is sorted is a heap.
    this.#rest = this.#rest
      .filter(({ where }) => where === "behind")
      .sort((one, other) => (isBefore(one, other) ? -1 : 1));
    this.#goneInRest = 0;
  }
}

function isBefore(one: Stand<Ranked>, other: Stand<Ranked>): boolean {
  return one.item.rank < other.item.rank || (one.item.rank === other.item.rank && one.order < other.order);
}

function push<Item extends Ranked>(heap: Stand<Item>[], entry: Stand<Item>): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Stand<Item>;
    if (isBefore(above, entry)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop<Item extends Ranked>(heap: Stand<Item>[]): Stand<Item> | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Stand<Item>)) child += 1;
    const below = heap[child] as Stand<Item>;
    if (isBefore(last, below)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
  return first;
}
