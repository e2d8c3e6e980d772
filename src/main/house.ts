/** Everything the command line can reach, opened when a command asks for it and not before. */
import { join, resolve } from "node:path";
import type { GoalId } from "../domain/id.ts";
import type { AtWork, BenchWish, Finding, House, SimulateWish } from "../faces/house.ts";
import type { Wish } from "../work/intake.ts";
import { requireHome } from "./home.ts";
import { type HouseOptions, handsOf, type Inside, insideOf, readerOf, realClock } from "./inside.ts";
import type { OwnerMethods } from "./owner.ts";

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
    atWork: () => atWorkIn(places.home),
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
      return (await import("./bench.ts")).bench({ ...wish, resume: folder }, hear, inside, signal);
    },
    async cloneOf({ repository: top, base }) {
      const { cloneFolder } = await import("../edges/git/clone.ts");
      return cloneFolder(places.repositories, { top, objectFormat: base.length === 64 ? "sha256" : "sha1" });
    },
    evidenceFolder: (goal: GoalId) => join(places.evidence, goal),
  };
}

/** An owner that is busy for a moment is asked no longer than a person waits for `rigs status`. */
const answerMsMax = 1_000;

async function atWorkIn(home: string): Promise<AtWork> {
  const { callOwner, socketPath } = await import("../edges/store/socket.ts");
  const signal = AbortSignal.timeout(answerMsMax);
  const called = await callOwner<OwnerMethods, "working">(socketPath(home), "working", {}, signal).catch(
    () => undefined,
  );
  if (called?.kind === "answered") return { kind: "process", ...called.result };
  return { kind: called?.kind === "no-owner" ? "nobody" : "silent" };
}

async function providers() {
  return import("./providers.ts");
}

/** A name for a folder that nobody has yet: the moment, "20261121T043611123". */
function stamp(): string {
  return new Date(realClock.now()).toISOString().replace(/[-:.Z]/g, "");
}

async function takeInOf(inside: Inside, wish: Wish) {
  const { takeIn } = await import("../work/intake.ts");
  return takeIn(wish, await inside.repositories());
}
