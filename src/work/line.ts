/**
 * Those who wait. Only the first of them are in view, the last of a batch all at once: of all tenants the one that was given least comes next, of one tenant
 * the call with the least rank, of equals the one that came first. Coming and going cost the logarithm of how many wait.
 *
 * 1. Somebody waits behind only while the view is full.
 * 2. What is in view is charged to its tenant, and given back when it leaves without having begun.
 * 3. Of one tenant nobody in view stands behind one of a later rank, and nobody behind the view is of an earlier rank.
 */
import {
  givenLately,
  keyOf,
  type Lately,
  lifted,
  nothingLately,
  stepOf,
  stepsAhead,
} from "../domain/fairness.ts";
import { present } from "../kit/assert.ts";
import { Heap, type Heaped } from "../kit/heap.ts";

export interface Standing {
  /** Of one tenant the smaller goes first; between tenants each step of `rankStepMs` is a start of a minute. ms. */
  readonly rank: number;
  /** Whose call it is: all tenants are given alike. */
  readonly tenant: string;
  /** What it will take, as far as is known (see `serviceOf`); above 0. */
  readonly service: number;
}

/** Somebody's stand in a line. */
export interface Stand<Item> extends Heaped {
  readonly item: Item;
  readonly order: number;
  readonly tenant: Tenant<Item>;
  readonly steps: number;
  where: "in view" | "behind" | "out";
  /** The tenant's counter before this call was charged; in view only. */
  start: number;
  /** In view the smaller stands first. */
  key: number;
}

interface Tenant<Item> extends Heaped {
  readonly name: string;
  /** Service it was given, what is in view included. */
  counter: number;
  readonly behind: Heap<Stand<Item>>;
  /** Of its stands in view: how many, what they are charged, and the last. */
  seen: number;
  charged: number;
  last: Stand<Item> | undefined;
  /** Of the first that is behind. */
  key: number;
}

/** Who is not here and was given no more than who waits is as good as never seen: such are forgotten from time to time. */
const knownLeast = 64;
/** So many that are not here are remembered; of more all are forgotten. */
const awayMax = 10_000;

export class Line<Item extends Standing> {
  readonly #viewMax: number;
  readonly #lastMax: number;
  readonly #view: Stand<Item>[] = [];
  /** What `view` gave, until somebody comes or goes. */
  #seen: readonly Item[] | undefined;
  readonly #tenants = new Map<string, Tenant<Item>>();
  /** Those of whom somebody is behind. */
  readonly #waiting = new Heap<Tenant<Item>>(isTenantSooner);
  #forgetAt = knownLeast;
  #lately: Lately = nothingLately;
  /** The counter of whoever began last. */
  #lastCounter = 0;
  #order = 0;
  #size = 0;
  #arrivals = 0;

  /** `viewMax`: so many are in view at once, at least 1; `lastMax`: of one tenant's last ones so many, at least `viewMax`. */
  constructor(viewMax: number, lastMax = viewMax) {
    this.#viewMax = viewMax;
    this.#lastMax = lastMax;
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

  /** `now` in ms, as ranks are. */
  add(item: Item, now: number): Stand<Item> {
    const tenant = this.#tenantOf(item.tenant);
    this.#size += 1;
    this.#order += 1;
    const stand: Stand<Item> = {
      item,
      tenant,
      order: this.#order,
      steps: stepsAhead(item.rank, now),
      where: "behind",
      start: 0,
      key: 0,
      at: -1,
    };
    if (tenant.last !== undefined && isEarlier(stand, tenant.last)) {
      this.#squeezeIn(stand);
      return stand;
    }
    tenant.behind.push(stand);
    if (tenant.behind.first === stand) this.#reckon(tenant);
    this.#fill();
    const [next, last] = [this.#waiting.first, this.#view.at(-1)];
    if (next !== undefined && last !== undefined && next.key < last.key) {
      this.#see(present(next.behind.first, "somebody of it waits"), next.counter, next.key);
      this.#bound();
    }
    return stand;
  }

  /** Takes its place; it stays charged. Out already: nothing happens. */
  begin(stand: Stand<Item>, now: number): void {
    if (stand.where === "out") return;
    const { item, tenant } = stand;
    this.#lately = givenLately(this.#lately, item.service, now);
    if (stand.where === "behind") tenant.counter += item.service;
    this.#leave(stand);
    this.#lastCounter = tenant.counter;
    this.#fill();
  }

  /** Goes without having begun. A second time changes nothing. */
  remove(stand: Stand<Item>): void {
    if (stand.where === "out") return;
    if (stand.where === "in view") stand.tenant.counter -= stand.item.service;
    this.#leave(stand);
    this.#fill();
  }

  /** A call that began took so much more than was thought; below 0: less. */
  correct(tenant: string, service: number): void {
    const known = this.#tenants.get(tenant);
    if (known === undefined) return;
    known.counter += service;
    if (known.at >= 0) this.#reckon(known);
  }

  #tenantOf(name: string): Tenant<Item> {
    const known = this.#tenants.get(name);
    if (known !== undefined) {
      if (known.seen === 0 && known.at < 0) known.counter = lifted(known.counter, this.#least());
      return known;
    }
    const tenant: Tenant<Item> = {
      ...{ name, counter: this.#least(), behind: new Heap<Stand<Item>>(isEarlier) },
      ...{ seen: 0, charged: 0, last: undefined, key: 0, at: -1 },
    };
    if (this.#tenants.size >= this.#forgetAt) this.#forget();
    this.#tenants.set(name, tenant);
    return tenant;
  }

  /** What the least of those that wait was given. Who is behind was given no less than who is in view, but for its rank. */
  #least(): number {
    if (this.#view.length === 0) return this.#lastCounter;
    let least = Number.POSITIVE_INFINITY;
    for (const { tenant } of this.#view) least = Math.min(least, tenant.counter - tenant.charged);
    return least;
  }

  #forget(): void {
    const least = this.#least();
    const away = [...this.#tenants.values()].filter(({ seen, at }) => seen === 0 && at < 0);
    for (const { name, counter } of away)
      if (counter <= least || away.length > awayMax) this.#tenants.delete(name);
    this.#forgetAt = Math.max(knownLeast, 2 * this.#tenants.size);
  }

  /** Before those of its own tenant in view that have a later rank. */
  #squeezeIn(stand: Stand<Item>): void {
    const { tenant, steps } = stand;
    let before: Stand<Item> | undefined;
    let after: Stand<Item> | undefined;
    for (let at = this.#view.length - 1; at >= 0 && before === undefined; at--) {
      const each = this.#view[at] as Stand<Item>;
      if (each.tenant !== tenant) continue;
      if (isEarlier(stand, each)) after = each;
      else before = each;
    }
    const { start, key } = present(after, "one of a later rank is in view");
    const own = keyOf(start, steps, stepOf(this.#lately));
    this.#see(stand, start, Math.max(Math.min(own, key), before?.key ?? Number.NEGATIVE_INFINITY));
    this.#bound();
  }

  /** Of several tenants no more than usual: who is in view was charged before anybody knew what its calls take. */
  get #most(): number {
    const { first, size } = this.#waiting;
    if (this.#size > this.#lastMax || size > 1) return this.#viewMax;
    const tenant = first ?? this.#view[0]?.tenant;
    return tenant === undefined || tenant.seen === this.#view.length ? this.#lastMax : this.#viewMax;
  }

  #fill(): void {
    while (this.#view.length < this.#most) {
      const next = this.#waiting.first;
      if (next === undefined) return;
      this.#see(present(next.behind.first, "somebody of it waits"), next.counter, next.key);
    }
  }

  #see(stand: Stand<Item>, start: number, key: number): void {
    const { tenant } = stand;
    const wasBehind = stand.at >= 0;
    if (wasBehind) tenant.behind.remove(stand);
    stand.start = start;
    stand.key = key;
    stand.where = "in view";
    let at = this.#view.length;
    while (at > 0 && isSooner(stand, this.#view[at - 1] as Stand<Item>)) at -= 1;
    this.#view.splice(at, 0, stand);
    this.#seen = undefined;
    this.#arrivals += 1;
    tenant.seen += 1;
    tenant.charged += stand.item.service;
    tenant.counter += stand.item.service;
    if (tenant.last === undefined || isSooner(tenant.last, stand)) tenant.last = stand;
    if (wasBehind || tenant.at >= 0) this.#reckon(tenant);
  }

  /** Who stands last in a view that is too long waits behind it again. */
  #bound(): void {
    if (this.#view.length <= this.#most) return;
    const stand = present(this.#view.at(-1), "somebody is in view");
    const { tenant } = stand;
    tenant.counter -= stand.item.service;
    this.#unsee(stand, this.#view.length - 1);
    stand.where = "behind";
    tenant.behind.push(stand);
    this.#reckon(tenant);
  }

  #leave(stand: Stand<Item>): void {
    const { where, tenant } = stand;
    this.#size -= 1;
    stand.where = "out";
    if (where === "in view") this.#unsee(stand, this.#view.indexOf(stand));
    else tenant.behind.remove(stand);
    if (tenant.at >= 0) this.#reckon(tenant);
  }

  #unsee(stand: Stand<Item>, from: number): void {
    const { tenant } = stand;
    this.#view.splice(from, 1);
    this.#seen = undefined;
    tenant.seen -= 1;
    tenant.charged -= stand.item.service;
    if (tenant.last !== stand) return;
    let at = tenant.seen === 0 ? -1 : from - 1;
    while (at >= 0 && this.#view[at]?.tenant !== tenant) at -= 1;
    tenant.last = this.#view[at];
  }

  /** Where it stands among those of whom somebody is behind. */
  #reckon(tenant: Tenant<Item>): void {
    const { first } = tenant.behind;
    if (first === undefined) {
      this.#waiting.remove(tenant);
      return;
    }
    const key = keyOf(tenant.counter, first.steps, stepOf(this.#lately));
    tenant.key = Math.max(key, tenant.last?.key ?? Number.NEGATIVE_INFINITY);
    if (tenant.at < 0) this.#waiting.push(tenant);
    else this.#waiting.moved(tenant);
  }
}

/** Within a tenant. */
function isEarlier<Item extends Standing>(one: Stand<Item>, other: Stand<Item>): boolean {
  return one.item.rank < other.item.rank || (one.item.rank === other.item.rank && one.order < other.order);
}

function isSooner<Item extends Standing>(one: Stand<Item>, other: Stand<Item>): boolean {
  return one.key < other.key || (one.key === other.key && isEarlier(one, other));
}

function isTenantSooner<Item extends Standing>(one: Tenant<Item>, other: Tenant<Item>): boolean {
  if (one.key !== other.key) return one.key < other.key;
  const [first, second] = [one.behind.first, other.behind.first];
  return first !== undefined && second !== undefined && isEarlier(first, second);
}
