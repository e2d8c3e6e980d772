/** Where an owner's work is done, and with what. */
import type { GoalId } from "../domain/id.ts";
import type { Refreshed, RefreshWish } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { Reader, Store } from "../ports/store.ts";
import { type Foreman, startForeman } from "../work/foreman.ts";
import type { Sight, Tools } from "../work/tools.ts";

/** Values of environment variables by name: the keys of a goal's providers. Held in memory only. */
export type Variables = Readonly<Record<string, string>>;

export interface HandsOptions {
  readonly home: string;
  readonly clock: Clock;
  readonly random: Random;
  openStore(): Promise<Store>;
  openReader(): Promise<Reader>;
  /** Everything the foreman needs, over this store. */
  openTools(store: Store, watch: (sight: Sight) => void): Promise<ShopTools>;
  /** The key variables of these providers that are set here. */
  variablesFor(providers: readonly string[]): Promise<Variables>;
  readonly workersMax: number;
}

export interface ShopTools extends Tools, AsyncDisposable {
  /**
   * From now on this goal's providers are those of the configuration as it is, with these variables over the process's
   * own. Rejects with UsageError when the configuration cannot be read.
   */
  admit(goal: GoalId, variables: Variables): Promise<void>;
  /** Asks providers of the configuration as it is now how they stand, with these variables over the process's own. */
  refresh(wish: RefreshWish, variables: Variables, signal: AbortSignal): Promise<readonly Refreshed[]>;
}

/** Where the work is done. Opened with the first goal that needs it: cancelling or creating one does not. */
export interface Shop {
  foreman(): Promise<Foreman>;
  tools(): Promise<ShopTools>;
  /** Undefined while nothing needed it. */
  readonly opened: () => Promise<Open> | undefined;
  readonly watchers: Set<(sight: Sight) => void>;
  /** Goals handed in by guests that this process works on. */
  readonly guests: Map<GoalId, Promise<unknown>>;
  /** Goals of this process's own command, each as often as somebody waits for it. */
  readonly own: GoalId[];
  /** Signals that stop the work, also what goes on for guests after the goal that brought the signal has ended. */
  readonly heeded: Map<AbortSignal, () => void>;
}

export interface Open {
  readonly tools: ShopTools;
  readonly foreman: Foreman;
}

export function openShop(options: HandsOptions, store: Store): Shop {
  const watchers = new Set<(sight: Sight) => void>();
  let opened: Promise<Open> | undefined;
  const open = async (): Promise<Open> => {
    const tools = await options.openTools(store, (sight) => {
      for (const watch of watchers) watch(sight);
    });
    return { tools, foreman: startForeman(tools, options.workersMax) };
  };
  return {
    async foreman() {
      opened ??= open();
      return (await opened).foreman;
    },
    async tools() {
      opened ??= open();
      return (await opened).tools;
    },
    opened: () => opened,
    watchers,
    guests: new Map(),
    own: [],
    heeded: new Map(),
  };
}
