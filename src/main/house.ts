/** Everything the command line can reach, opened when a command asks for it and not before. */
import { join, resolve } from "node:path";
import type { GoalId } from "../domain/id.ts";
import type { BenchWish, Finding, House, SimulateWish } from "../faces/house.ts";
import type { Wish } from "../work/intake.ts";
import { requireHome } from "./home.ts";
import { type HouseOptions, handsOf, type Inside, insideOf, readerOf, realClock } from "./inside.ts";

export function openHouse(options: HouseOptions): House {
  const inside = insideOf(options);
  const { places } = inside;
  return {
    version: options.version,
    home: options.home,
    folder: options.folder,
    clock: realClock,
    reader: () => readerOf(places),
    hands: () => handsOf(inside),
    takeIn: (wish) => takeInOf(inside, wish),
    noJail: async () => (await import("./wiring.ts")).whyNoJail(places, await inside.config()),
    chooseProviders: async (named) => (await providers()).chooseProviders(inside, named),
    providers: async () => (await providers()).providerLines(inside),
    addProvider: async (name, wish) => (await providers()).addProvider(inside, name, wish),
    removeProvider: async (name) => (await providers()).removeProvider(inside, name),
    testProvider: async (name, signal) => (await providers()).testProvider(inside, name, signal),
    initialise: async (ask) => (await import("./init.ts")).initialise(ask, inside),
    doctor: async (ask): Promise<readonly Finding[]> => (await import("./doctor.ts")).examine(ask, inside),
    simulate: async (wish: SimulateWish, ready, signal) =>
      (await import("./simulate.ts")).simulate(wish, options.folder, ready, signal),
    bench: async (wish: BenchWish, hear, signal) => {
      requireHome(places.home);
      const folder = resolve(options.folder, wish.resume ?? join(places.home, "bench", stamp()));
      hear.begun(folder);
      return (await import("./bench.ts")).bench({ ...wish, resume: folder }, hear.row, inside, signal);
    },
    evidenceFolder: (goal: GoalId) => join(places.evidence, goal),
  };
}

async function providers() {
  return import("./providers.ts");
}

/** A name for a folder that nobody has yet: the moment, "20261121T043611123". */
function stamp(): string {
  return new Date(realClock.now()).toISOString().replace(/[-:.Z]/g, "");
}

async function takeInOf(inside: Inside, wish: Wish) {
  const { openRepositories } = await import("../edges/git/repositories.ts");
  const { takeIn } = await import("../work/intake.ts");
  return takeIn(wish, openRepositories({ root: inside.places.repositories, surroundings: inside.variables }));
}
