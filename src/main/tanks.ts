/** What is known of every provider's limits, for the command line. */
import { handedOver } from "../domain/handover.ts";
import { type Tank, tankAt } from "../domain/tank.ts";
import type { ProviderConfig } from "../edges/config/config.ts";
import { keyNameOf } from "../edges/models/open.ts";
import { readTanks } from "../edges/tanks/file.ts";
import type { AtWork, ProviderTanks, TankSeen, TanksSeen } from "../faces/house.ts";
import { freshTanks } from "../work/accounts.ts";
import { type Inside, realClock } from "./inside.ts";
import { doubtsIn, driftsIn, tanksPath } from "./kept.ts";
import { savedTank, sourceOf } from "./source.ts";

/** See House.tanks. */
export async function tanksSeen(inside: Inside, atWork: AtWork): Promise<TanksSeen> {
  const config = await inside.config();
  const { saved, savedAt, note } = await readTanks(tanksPath(inside.places));
  const now = realClock.now();
  const known = (name: string) => savedTank(saved.refinery, name);
  const drifts = driftsIn(saved.sections);
  const doubts = doubtsIn(saved.sections, now);
  const isAtWork = atWork.kind !== "nobody";
  return {
    providers: config.providers.map((provider) => ({
      ...aboutProvider(provider, now),
      tanks: freshTanks(sourceOf(provider, now, inside.variables), now).map((fresh) => ({
        ...seen(known(fresh.name), fresh, isAtWork, now),
        drift: drifts.get(fresh.name),
        doubt: doubts.get(fresh.name),
      })),
    })),
    ...{ savedAt, note, strategy: config.routing.strategy },
  };
}

function aboutProvider(provider: ProviderConfig, now: number): Omit<ProviderTanks, "tanks"> {
  const { name, kind, model, tier, enabled, thresholdYellow, thresholdRed, outputTokensMax } = provider;
  return {
    ...{ name, kind, model: model ?? "-", tier, isEnabled: enabled, outputTokensMax },
    isBoundless: sourceOf(provider, now, {}).metering === "none",
    keyName: keyNameOf(provider),
    thresholds: { yellow: thresholdYellow, red: thresholdRed },
  };
}

/** While a process works its calls are out; else they went with it, and the configuration as it is now counts. */
function seen(
  saved: Tank | undefined,
  fresh: Tank,
  isAtWork: boolean,
  now: number,
): Omit<TankSeen, "drift" | "doubt"> {
  if (saved === undefined) return { tank: fresh, configured: fresh, isKept: false };
  const current = tankAt(saved, now);
  const tank = isAtWork ? current : { ...handedOver(saved, fresh, now), closure: current.closure };
  return { tank, configured: fresh, isKept: true };
}
