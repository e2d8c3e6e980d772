/** What an owner of the home leaves to the next one, however it ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { GoalId } from "../domain/id.ts";
import { noUsage } from "../domain/reply.ts";
import type { Tank } from "../domain/tank.ts";
import { readConfig } from "../edges/config/read.ts";
import { readTanks } from "../edges/tanks/file.ts";
import { seeded } from "../kit/random.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import type { Outcome } from "../work/outcome.ts";
import { realClock } from "./inside.ts";
import { doubtsIn } from "./kept.ts";
import { openOffers } from "./offers.ts";
import { placesOf } from "./places.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-kept-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Four requests a day, and nothing else that anybody would wait for. */
const daily = `
[providers.daily]
kind = "gemini"
model = "flash"
base_url = "http://127.0.0.1:9/v1beta"
api_key_env = "DAILY_KEY"
[providers.daily.limits]
rpd = 4
concurrency = 4
`;

/** An owner's offers over a real home, and a call of its one provider. */
async function owning(home: string) {
  const places = placesOf(home, false);
  const parsed = await readConfig(places.config, new Set());
  if (parsed.kind !== "parsed") throw new Error(parsed.faults.join());
  const { config } = parsed;
  const offers = await openOffers({} as Store, {
    ...{ places, config, clock: realClock, random: seeded(1), repositories: {} as Repositories },
    async reread() {
      const now = await readConfig(places.config, new Set());
      return now.kind === "parsed" ? now.config : config;
    },
    variables: { DAILY_KEY: "sk-daily" },
  });
  const opened = await offers.offer("daily", "g1" as GoalId);
  if (opened.kind !== "model") throw new Error("the provider opens");
  const enter = (id: string) =>
    offers.capacity.enter(
      {
        ...{ id, rank: 0, tenant: "goal", outputLikely: 1, series: id, end: undefined },
        candidates: [
          {
            ...{ provider: opened.source, floor: 0 },
            draft: { input: 1, cachedInput: 0, output: 1, outputMax: 1 },
          },
        ],
      },
      new AbortController().signal,
    );
  return { offers, enter };
}

/** Whatever it waits for happens within moments, by the file that another process would look at. */
async function savedWith(home: string, isIt: (model: Tank, sections: Json) => boolean): Promise<void> {
  const path = join(home, "tanks.json");
  for await (const _ of watch(home, { signal: AbortSignal.timeout(5_000) })) {
    const { saved } = await readTanks(path);
    const model = [...saved.refinery.values()].find(({ scope }) => scope === "model");
    if (model !== undefined && isIt(model, saved.sections)) return;
  }
}
type Json = Readonly<Record<string, unknown>>;

test("limits of a changed file count within moments, also where nobody calls: lower ones too", async () => {
  const home = join(folder, "changed");
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), daily.replace("rpd = 4", "rpd = 777"), { mode: 0o600 });
  const { offers, enter } = await owning(home);
  const place = await enter("a");
  if (place.kind === "granted") place.end({ kind: "said", usage: noUsage, headers: {} });
  const seen = savedWith(home, ({ meters }) =>
    meters.some((each) => each.kind === "window" && each.limit === 4),
  );
  writeFileSync(join(home, "config.toml"), daily);
  await seen;
  const meters = [...offers.capacity.tanks().values()].flatMap((tank) => tank.meters);
  expect(meters.filter(({ kind }) => kind === "window")).toMatchObject([{ limit: 4, used: 1 }]);
  await offers[Symbol.asyncDispose]();
});

test("a limit that is not believed closes nobody, and is left to whoever looks", async () => {
  const home = join(folder, "doubted");
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), daily, { mode: 0o600 });
  const { offers, enter } = await owning(home);
  const headers = { "x-ratelimit-limit-requests": "0.0000001", "x-ratelimit-remaining-requests": "0" };
  const place = await enter("a");
  if (place.kind === "granted") place.end({ kind: "said", usage: noUsage, headers });
  expect(await enter("b")).toMatchObject({ kind: "granted" });
  await offers[Symbol.asyncDispose]();
  const { saved } = await readTanks(join(home, "tanks.json"));
  expect([...doubtsIn(saved.sections, realClock.now()).values()]).toEqual([
    { at: expect.any(Number) as number, what: "a limit of 0.0000001 requests a minute" },
  ]);
});

test("who was closed for a month is asked once a person asks, and a wait that it tells then is the one that counts", async () => {
  const home = join(folder, "far");
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), daily, { mode: 0o600 });
  const { offers, enter } = await owning(home);
  const refused = (waitMs: number): Outcome => {
    const fault = { kind: "throttle", retryAt: realClock.now() + waitMs, why: "HTTP 429" } as const;
    return { kind: "failed", fault, usage: noUsage, headers: {}, readings: [] };
  };
  const place = await enter("a");
  if (place.kind === "granted") place.end(refused(31 * 86_400_000));
  offers.capacity.tryAgain("daily", false);
  expect(await enter("b")).toMatchObject({ kind: "later" });
  offers.capacity.tryAgain("daily", true);
  const asked = await enter("c");
  expect(asked).toMatchObject({ kind: "granted" });
  if (asked.kind === "granted") asked.end(refused(60_000));
  const { until = 0 } = offers.capacity.closures().get("daily") ?? {};
  expect(until).toBeLessThanOrEqual(realClock.now() + 60_000);
  await offers[Symbol.asyncDispose]();
});

test("calls that began in the last moments before a kill are counted by the next owner", async () => {
  const home = join(folder, "killed");
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), daily, { mode: 0o600 });
  const first = await owning(home);
  for (const id of ["a", "b", "c"]) {
    const place = await first.enter(id);
    expect(place).toMatchObject({ kind: "granted" });
    if (place.kind === "granted") place.end({ kind: "said", usage: noUsage, headers: {} });
  }
  // As a kill leaves it: nothing of this process runs on, and what lies there is all there is.
  const left = readFileSync(join(home, "tanks.json"), "utf8");
  await first.offers[Symbol.asyncDispose]();
  writeFileSync(join(home, "tanks.json"), left);
  const next = await owning(home);
  const last = await next.enter("d");
  expect(last).toMatchObject({ kind: "granted" });
  if (last.kind === "granted") last.end({ kind: "said", usage: noUsage, headers: {} });
  expect(await next.enter("e")).toMatchObject({ kind: "later", why: /day window used up/ });
  await next.offers[Symbol.asyncDispose]();
});
