/** Everything the command line can reach, opened when a command asks for it and not before. */
import { createReadStream } from "node:fs";
import { join, resolve } from "node:path";
import type { Order } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import type { GivenPlan } from "../domain/planning.ts";
import {
  type AtWork,
  type BenchWish,
  type Finding,
  type House,
  type SimulateWish,
  UsageError,
} from "../faces/house.ts";
import type { Repository } from "../ports/repository.ts";
import type { Wish } from "../work/intake.ts";
import { isThere, requireHome } from "./home.ts";
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
    keep: async (wish, say, signal) => (await import("./foreman.ts")).keepHome(inside, wish, say, signal),
    startForeman: async (signal) => (await import("./foreman.ts")).startForeman(inside, signal),
    stopForeman: async (signal) => (await import("./foreman.ts")).stopForeman(inside, signal),
    foremanLog: join(places.home, "foreman.log"),
    readPlan: (path) => planAt(resolve(options.folder, path), path),
    drawPlan: async (order, signal) => (await import("./plan.ts")).drawPlanFor(inside, order, signal),
    outlook: async (order, drawn) => (await import("./plan.ts")).outlookFor(inside, order, drawn),
    writePlan: async (path, plan, goal) =>
      (await import("./plan.ts")).writePlanTo(resolve(options.folder, path), path, { plan, goal }),
    canWritePlan: async (path) => (await import("./plan.ts")).requireNew(resolve(options.folder, path), path),
    takeIn: (wish) => takeInOf(inside, wish),
    noJail: async () => (await import("./wiring.ts")).whyNoJail(places, await inside.config()),
    chooseProviders: async (named) => (await providers()).chooseProviders(inside, named),
    providers: async () => (await providers()).providerLines(inside),
    tanks: async () => (await import("./tanks.ts")).tanksSeen(inside, await atWorkIn(places.home)),
    addProvider: async (name, wish) => (await providers()).addProvider(inside, name, wish),
    removeProvider: async (name) => (await providers()).removeProvider(inside, name),
    testProvider: async (name, signal) => (await providers()).testProvider(inside, name, signal),
    isInitialised: async () => isThere(places.config),
    initialise: async (ask) => (await import("./init.ts")).initialise(ask, inside),
    doctor: async (ask): Promise<readonly Finding[]> => (await import("./doctor.ts")).examine(ask, inside),
    gateway: async (wish, say, signal) =>
      (await import("./gateway.ts")).serveGateway(inside, wish, say, signal),
    createToken: async (wish) => (await import("./gateway.ts")).createToken(inside, wish),
    tokens: async () => (await import("./gateway.ts")).tokensOf(inside),
    revokeToken: async (name) => (await import("./gateway.ts")).revokeToken(inside, name),
    simulate: async (wish: SimulateWish, ready, signal) =>
      (await import("./simulate.ts")).simulate(wish, options.folder, ready, signal),
    rehearse: async (wish) => (await import("./report.ts")).report(inside, wish),
    bench: async (wish: BenchWish, hear, signal) => {
      requireHome(places.home);
      const folder = resolve(options.folder, wish.resume ?? join(places.home, "bench", stamp()));
      return (await import("./bench.ts")).bench({ ...wish, resume: folder }, hear, inside, signal);
    },
    async cloneOf({ repository: top, base }) {
      const { cloneFolder } = await import("../edges/git/clone.ts");
      return cloneFolder(places.repositories, { top, objectFormat: base.length === 64 ? "sha256" : "sha1" });
    },
    diff: async (order, { from, to }) => (await cloned(inside, order)).diff(from, to),
    branch: async (order, commit, name) => (await cloned(inside, order)).deliver(commit, name),
    evidenceFolder: (goal: GoalId) => join(places.evidence, goal),
  };
}

async function cloned(inside: Inside, { repository, base }: Order): Promise<Repository> {
  return (await inside.repositories()).open(repository, base);
}

/** An owner that is busy for a moment is asked no longer than a person waits for `rigs status`. */
const answerMsMax = 1_000;

async function atWorkIn(home: string): Promise<AtWork> {
  const { callOwner, socketPath } = await import("../edges/store/socket.ts");
  const signal = AbortSignal.timeout(answerMsMax);
  const called = await callOwner<OwnerMethods, "working">(socketPath(home), "working", {}, signal).catch(
    () => undefined,
  );
  // An owner of an older version does not say who stands in line.
  if (called?.kind === "answered")
    return { ...called.result, kind: "process", queued: called.result.queued ?? [] };
  return { kind: called?.kind === "no-owner" ? "nobody" : "silent" };
}

async function providers() {
  return import("./providers.ts");
}

/** A name for a folder that nobody has yet: the moment, "20261121T043611123". */
function stamp(): string {
  return new Date(realClock.now()).toISOString().replace(/[-:.Z]/g, "");
}

/** More than any plan that is read, so that a device or a disk image is not read to its end. */
const planBytesMax = 8 * 1024 * 1024;

async function startOf(file: string): Promise<string> {
  const bytes: Buffer[] = [];
  for await (const chunk of createReadStream(file, { end: planBytesMax })) bytes.push(chunk as Buffer);
  return Buffer.concat(bytes).toString("utf8");
}

async function planAt(file: string, typed: string): Promise<GivenPlan> {
  const { readPlan } = await import("../edges/plan/file.ts");
  const text = await startOf(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the plan ${typed} cannot be read (${error.code}): check the path`);
  });
  const read = readPlan(text, typed);
  if (read.kind === "refused") throw new UsageError(read.faults.join("\n"));
  return read.given;
}

async function takeInOf(inside: Inside, wish: Wish) {
  const { takeIn } = await import("../work/intake.ts");
  const { roughSize } = await import("../edges/tokens.ts");
  const { providers, polecat } = await inside.config();
  const { contextTokensMax } = polecat;
  const { secretsOf } = await import("../edges/models/open.ts");
  const { findSecrets } = await import("../domain/secrets.ts");
  const secrets = secretsOf(providers, inside.variables).map((secret) => secret.reveal());
  // What is asked for is kept, shown and committed: a key in it would be too.
  const why = "what you ask for holds the key of a provider: take it out; nothing was kept";
  if (findSecrets(JSON.stringify(wish), secrets).length > 0) return { kind: "refused", why } as const;
  return takeIn(wish, await inside.repositories(), { contextTokensMax, size: roughSize });
}
