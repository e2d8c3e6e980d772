/** What every part of the house stands on: where things lie, what is configured, real time, the store. */
import { setTimeout as after } from "node:timers/promises";
import type { Config } from "../edges/config/config.ts";
import { type Hands, UsageError, workersMost } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Reader } from "../ports/store.ts";
import { isThere, requireHome } from "./home.ts";
import { type Places, placesOf } from "./places.ts";
import type { HandsOptions } from "./shop.ts";

export interface HouseOptions {
  readonly home: string;
  readonly folder: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

/** Real time. Longer sleeps than a timer holds are cut; the sleeper decides anew. */
export const realClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    await after(Math.min(ms, 2_147_483_647), undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  },
};

/** Opens nothing yet. */
export function insideOf(options: HouseOptions): Inside {
  const places = placesOf(options.home, process.getuid?.() === 0);
  let repositories: Promise<Repositories> | undefined;
  return {
    ...options,
    places,
    config: () => readConfigOf(places),
    repositories() {
      repositories ??= import("../edges/git/repositories.ts").then(({ openRepositories }) =>
        openRepositories({ root: places.repositories, surroundings: options.variables }),
      );
      return repositories;
    },
  };
}

/** What the parts of the house share. */
export interface Inside extends HouseOptions {
  readonly places: Places;
  config(): Promise<Config>;
  /** The private clones; one view of them, so that what intake read of a commit the work need not read again. */
  repositories(): Promise<Repositories>;
}

/** The configuration, or a UsageError with the first fault of the file and how many more there are. */
async function readConfigOf(places: Places): Promise<Config> {
  const { readConfig } = await import("../edges/config/read.ts");
  const parsed = await readConfig(places.config, new Set());
  if (parsed.kind === "parsed") return parsed.config;
  const more = parsed.faults.length - 1;
  throw new UsageError(
    `${parsed.faults[0]}${more === 0 ? "" : ` (and ${more} more: rigs doctor shows all)`}`,
  );
}

/** Undefined when there is no store yet. UsageError where that cannot be seen. A store of an older Rigs is brought up to date first. */
export async function readerOf({ home }: Places): Promise<Reader | undefined> {
  const { openReader, openStore, storeFile } = await import("../edges/store/sqlite.ts");
  if (!isThere(storeFile(home))) return undefined;
  try {
    return await openReader(home);
  } catch (error) {
    const { OutdatedError } = await import("../edges/store/schema.ts");
    if (!(error instanceof OutdatedError)) throw error;
    const { becomeOwner } = await import("../edges/store/owner.ts");
    const ownership = await becomeOwner(home);
    // Whoever works on it is of the same age as the store: the reader's complaint says what to do.
    if (ownership.kind === "owned") throw error;
    try {
      await (await openStore(home, { now: () => realClock.now() })).close();
    } finally {
      ownership.release();
    }
    return openReader(home);
  }
}

/** Writing hands over the home's store. `workersMax` bounds workers over all goals; each goal has a bound of its own. */
export async function handsOf(inside: Inside, workersMax: number = workersMost): Promise<Hands> {
  const { openHands } = await import("./hands.ts");
  return openHands(await ownerOptions(inside, workersMax));
}

/** What whoever owns the home needs. Makes the home where it is missing. */
export async function ownerOptions(inside: Inside, workersMax: number): Promise<HandsOptions> {
  const { openReader, openStore } = await import("../edges/store/sqlite.ts");
  const config = await inside.config();
  requireHome(inside.places.home);
  return {
    home: inside.places.home,
    clock: realClock,
    random: Math.random,
    workersMax,
    async variablesFor(providers) {
      const { keyVariables } = await import("../edges/models/open.ts");
      const configured = (await inside.config()).providers;
      const named = configured.filter(({ name }) => providers.includes(name));
      return keyVariables(named, inside.variables);
    },
    openStore: () => openStore(inside.places.home, { now: () => realClock.now() }),
    openReader: () => openReader(inside.places.home),
    async openTools(store, watch) {
      const { openTools } = await import("./wiring.ts");
      const { places, variables } = inside;
      return openTools(store, watch, {
        places,
        config,
        repositories: await inside.repositories(),
        reread: () => inside.config(),
        variables,
        clock: realClock,
        random: Math.random,
      });
    },
  };
}
