/** What an owner of the home leaves to the next one, however it ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { GoalId } from "../domain/id.ts";
import { noUsage } from "../domain/reply.ts";
import { readConfig } from "../edges/config/read.ts";
import { seeded } from "../kit/random.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import { realClock } from "./inside.ts";
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
    reread: async () => config,
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
