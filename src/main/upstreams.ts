/** Whom the gateway passes requests on to: as the configuration has it now. */
import type { GoalId } from "../domain/id.ts";
import type { ProviderConfig } from "../edges/config/config.ts";
import { pricingOf } from "../edges/prices/price.ts";
import { openUpstream } from "../edges/upstream/upstream.ts";
import type { Offered } from "../faces/gateway/tools.ts";
import type { Price } from "../ports/model.ts";
import { followFile, stampOf } from "./following.ts";
import { type Inside, realClock } from "./inside.ts";
import type { ShopTools } from "./shop.ts";

/** Whoever calls is a guest of the tanks, under this name. */
const guest = "gateway" as GoalId;

export interface Upstreams extends Disposable {
  /** In the configuration's order. */
  readonly list: readonly Offered[];
  /** One line for each provider that is not offered. */
  readonly notes: readonly string[];
}

/**
 * Reads the configuration, and again whenever its file is another; calls that are out go on as they began. `changed` hears of
 * it; of a file that cannot be read `tell` does, and what was known before stays. Rejects where it cannot be read at first.
 */
export async function followUpstreams(
  inside: Inside,
  tools: ShopTools,
  changed: (now: Pick<Upstreams, "list" | "notes">) => void,
  tell: (line: string) => void,
): Promise<Upstreams> {
  const path = inside.places.config;
  const stamp = stampOf(path);
  let known = await upstreamsOf(inside, tools);
  const look = async (isThere: boolean): Promise<void> => {
    try {
      // Read anew, no file means no providers; to callers that are served it is a damage.
      if (!isThere) throw new Error("config.toml is gone");
      await tools.admit(guest, {});
      known = await upstreamsOf(inside, tools);
      changed(known);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      tell(`the changed configuration is not used: ${why}; the gateway goes on as before`);
    }
  };
  const following = followFile(path, look, stamp);
  return {
    get list() {
      return known.list;
    },
    get notes() {
      return known.notes;
    },
    [Symbol.dispose]: () => void following.stop(),
  };
}

/** Makes their tanks known. */
async function upstreamsOf(inside: Inside, tools: ShopTools) {
  const { providers } = await inside.config();
  const list: Offered[] = [];
  const notes: string[] = [];
  for (const provider of providers) {
    const { variables } = inside;
    const price = await priceOf(provider);
    const opened = openUpstream(provider, { variables, now: () => realClock.now(), price });
    if (opened.kind === "unusable") {
      notes.push(`${provider.name} is not offered: ${opened.why}`);
      continue;
    }
    // Beside the worker's own model, this makes its tanks known, with what was saved of them.
    const offer = await tools.offer(provider.name, guest);
    if (offer.kind === "unusable") notes.push(`${provider.name} is not offered: ${offer.why}`);
    else list.push({ ...opened.upstream, source: offer.source });
  }
  return { list, notes };
}

const free: Price = { inputUsd: 0, cachedInputUsd: 0, outputUsd: 0 };

async function priceOf(provider: ProviderConfig): Promise<Price | undefined> {
  const pricing = await pricingOf(provider, realClock.now());
  if (pricing.kind === "known") return pricing.price;
  return pricing.kind === "nothing" ? free : undefined;
}
