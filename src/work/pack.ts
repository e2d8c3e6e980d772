/** What the evidence of a tree holds beside that of its end: each bead's story, spend and statement. */
import type { Part, PartSpend } from "../domain/evidence.ts";
import type { Goal } from "../domain/goal.ts";
import type { BeadId } from "../domain/id.ts";
import type { Tools } from "./tools.ts";

/** Every bead of the goal, by number; one for a goal that never became a tree. */
export async function partsOfGoal(goal: Goal, { store }: Pick<Tools, "store">): Promise<readonly Part[]> {
  const beads = await store.view.beads({ goal: goal.id, countMax: 1_000 });
  const spends = await spendByBead(goal, { store });
  const parts = beads.map(async (bead): Promise<Part> => {
    const attempts = await store.view.attempts(bead.id);
    return { bead, attempts, spend: spends.get(bead.id) ?? nothing };
  });
  const all = await Promise.all(parts);
  return all.toSorted((left, right) => left.bead.id.localeCompare(right.bead.id, "en", { numeric: true }));
}

const nothing: PartSpend = { requests: 0, tokens: 0, usd: 0 };

async function spendByBead(
  goal: Goal,
  { store }: Pick<Tools, "store">,
): Promise<ReadonlyMap<BeadId, PartSpend>> {
  const spends = new Map<BeadId, PartSpend>();
  for (let from = 1; ; ) {
    const page = await store.log.read(from, 1000, goal.id);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type !== "call-settled") continue;
      const { requests, tokens, usd } = spends.get(event.bead) ?? nothing;
      const more = event.usage.input + event.usage.output;
      spends.set(event.bead, { requests: requests + 1, tokens: tokens + more, usd: usd + event.usd });
    }
    if (page.length === 0) return spends;
  }
}

/** `statements/<bead>.json` for every bead that is integrated: the signed statement over what it landed as. */
export async function writeStatements(goal: Goal, parts: readonly Part[], tools: Tools): Promise<void> {
  for (const { bead } of parts) {
    if (bead.state.kind !== "integrated") continue;
    const envelope = await tools.store.blobs.get(bead.state.statement);
    // Forgotten on purpose: the page names the commit, and the final statement stands.
    if (envelope === undefined) continue;
    const number = bead.id.slice(goal.id.length + 1);
    await tools.evidence.write(goal.id, `statements/${number}.json`, new TextDecoder().decode(envelope));
  }
}
