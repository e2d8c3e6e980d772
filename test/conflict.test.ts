/** Conflict probes over a repository and a store in memory: who is told of what, how often, and what it costs. */
import { expect, test } from "vitest";
import { wholeContract } from "../src/domain/bead.ts";
import {
  type BeadId,
  beadId,
  type Commit,
  type GoalId,
  goalOf,
  type PolecatId,
  revisionId,
} from "../src/domain/id.ts";
import { blobOf, createBead, createGoal, evaluationOf } from "../src/domain/sample.case.ts";
import { memoryStore } from "../src/edges/store/memory.ts";
import type { Lease, NewEvent, Store } from "../src/ports/store.ts";
import { type Noted, newsOf, probe } from "../src/work/probing.ts";
import type { Scene } from "../src/work/scene.ts";
import type { Sight } from "../src/work/tools.ts";
import { memoryRepositories } from "./support/memory-repository.ts";

const [goal, neighbour] = ["aaaaaaaa", "bbbbbbbb"] as [GoalId, GoalId];
const author = "Ada Example <ada@example.org>";
const ids = [1, 2, 3].map((number) => beadId(beadId(goal, 1), number)) as [BeadId, BeadId, BeadId];

/** Two goals of one repository; the first has parts that own these areas. */
async function house(areas: readonly (readonly string[])[]) {
  const store = memoryStore({ now: () => 1_800_000_000_000 });
  const repositories = memoryRepositories();
  const base = repositories.create("/top", { "src/shop.txt": "one\ntwo\n" });
  const inner = await repositories.open("/top", base);
  let merges = 0;
  const repository: typeof inner = {
    ...inner,
    merge: (ours, theirs) => {
      merges += 1;
      return inner.merge(ours, theirs);
    },
  };
  const tell = (...events: readonly NewEvent[]) => store.log.append(events, { kind: "none" });
  for (const id of [goal, neighbour]) {
    const created = createGoal(id);
    await tell({ ...created, order: { ...created.order, repository: "/top", base, author } });
  }
  await tell(
    createBead(beadId(goal, 1), goal),
    { type: "bead-split", goal, bead: beadId(goal, 1), plan: blobOf(1), head: undefined, checks: [] },
    ...areas.map((owns, index): NewEvent => {
      const contract = { ...wholeContract(`part ${index + 1}`, []), owns };
      return { ...createBead(ids[index] as BeadId, goal), parent: beadId(goal, 1), contract };
    }),
    createBead(beadId(neighbour, 1), neighbour),
  );
  const sights: Sight[] = [];
  const leases = new Map<BeadId, Lease>();
  const leaseOf = async (bead: BeadId): Promise<Lease> => {
    const known = leases.get(bead);
    if (known !== undefined) return known;
    const claim = { by: "p" as PolecatId, leaseMs: 60_000, goal: goalOf(bead) };
    for (
      let lease = await store.leases.claim(claim);
      lease !== undefined;
      lease = await store.leases.claim(claim)
    )
      leases.set(lease.bead, lease);
    return leases.get(bead) as Lease;
  };
  const sceneOf = async (bead: BeadId): Promise<Scene> => {
    const lease = await leaseOf(bead);
    const tools = { store, watch: (sight: Sight) => void sights.push(sight) };
    const signal = new AbortController().signal;
    const append = async (...events: NewEvent[]) => {
      const appended = await store.log.append(events, { kind: "lease", lease });
      if (appended.kind === "refused") throw new Error("the lease is lost");
    };
    const rows = {
      goal: await store.view.goal(goalOf(bead)),
      bead: await store.view.bead(bead),
      attempt: await store.view.attempt(lease.attempt),
    };
    return {
      ...rows,
      base: rows.attempt?.base ?? base,
      site: { repository },
      lease,
      tools,
      signal,
      append,
    } as unknown as Scene;
  };
  /** A revision of the bead that writes these lines. */
  const revise = async (bead: BeadId, path: string, ...lines: readonly string[]): Promise<Commit> => {
    const { attempt, append, base: parent } = await sceneOf(bead);
    const revision = revisionId(attempt.id, attempt.revisions + 1);
    const files = new Map([[path, new TextEncoder().encode(`${lines.join("\n")}\n`)]]);
    const { commit, tree } = await inner.write({ parent, files, message: revision, author, ref: revision });
    await append({
      ...{ type: "revision-recorded", goal: goalOf(bead), bead, attempt: attempt.id, revision, commit },
      ...{ parent, tree, step: "draft", files: [path], evaluation: evaluationOf(1) },
    });
    return commit;
  };
  const look = async (bead: BeadId, commit: Commit, noted: Noted = new Set()) =>
    probe(await sceneOf(bead), commit, noted);
  return { store, tell, sceneOf, revise, look, sights, leases, merges: () => merges };
}

async function clashes(store: Store) {
  return (await store.log.read(1, 1_000)).flatMap(({ event }) =>
    event.type === "conflict-seen" ? [[event.bead, event.with, event.paths] as const] : [],
  );
}

test("two that change one line are told before either ends: once, and both at their next question", async () => {
  const { store, sceneOf, revise, look } = await house([["src/**"], ["src/shop.txt"], ["docs/**"]]);
  const [first, second, third] = ids;
  await look(first, await revise(first, "src/shop.txt", "one", "TWO"));
  expect(await clashes(store)).toEqual([]);
  expect(await newsOf(await sceneOf(first))).toBe("");
  await look(second, await revise(second, "src/shop.txt", "one", "zwei"));
  expect(await clashes(store)).toEqual([[second, first, ["src/shop.txt"]]]);
  // Once more by each, after new revisions that contradict each other at the same place.
  await look(first, await revise(first, "src/shop.txt", "one", "TWO!"));
  await look(second, await revise(second, "src/shop.txt", "one", "zwei!"));
  expect(await clashes(store)).toHaveLength(1);
  expect(await newsOf(await sceneOf(first))).toMatch(
    /^Bead aaaaaaaa\.1\.2, which is worked on.*src\/shop\.txt.*part 2\n/,
  );
  expect(await newsOf(await sceneOf(second))).toMatch(/^Bead aaaaaaaa\.1\.1, .*part 1\n/);
  expect(await newsOf(await sceneOf(third))).toBe("");
});

test("two that see each other at one moment tell it once", async () => {
  const { store, revise, look } = await house([["**"], ["**"]]);
  const [first, second] = ids;
  const commits = [
    await revise(first, "src/shop.txt", "eins", "two"),
    await revise(second, "src/shop.txt", "uno", "two"),
  ] as const;
  await Promise.all([look(first, commits[0]), look(second, commits[1])]);
  expect(await clashes(store)).toHaveLength(1);
});

test("areas that have nothing in common cost no merge", async () => {
  const { revise, look, merges } = await house([["src/**"], ["docs/**"], ["tests/new.txt"]]);
  await revise(ids[1], "docs/a.md", "text");
  await look(ids[0], await revise(ids[0], "src/shop.txt", "one", "2"));
  expect(merges()).toBe(0);
});

test("what landed since the work began is probed too, and told with whoever landed", async () => {
  const { store, tell, revise, look, sceneOf } = await house([["**"], ["**"]]);
  const [first, second] = ids;
  await revise(second, "src/late.txt", "late");
  const commit = await revise(first, "src/shop.txt", "one", "TWO");
  const { attempt } = await sceneOf(first);
  const about = { goal, bead: first, attempt: attempt.id, commit } as const;
  const proof = { verdict: "proven", acceptance: "user", isolation: "bubblewrap", reasons: [] } as const;
  const counts = { testsRun: 1, testsPassed: 1, failToPass: 1, passToPass: 0 };
  await tell(
    { type: "proof-started", ...about },
    {
      type: "proof-ended",
      ...about,
      proof: { ...proof, ...counts },
      isAccepted: true,
      statement: blobOf(1),
      evidence: blobOf(2),
    },
    { type: "bead-integrating", goal, bead: first },
    { type: "bead-integrated", goal, bead: first, commit, statement: blobOf(1) },
  );
  await look(second, await revise(second, "src/shop.txt", "one", "deux"));
  expect(await clashes(store)).toEqual([[second, first, ["src/shop.txt"]]]);
  expect(await newsOf(await sceneOf(second))).toContain("which was integrated meanwhile");
});

test("work of another open goal on the same repository is noted to people, once, and nothing is kept", async () => {
  const { store, revise, look, sights } = await house([["src/**"]]);
  await revise(beadId(neighbour, 1), "src/shop.txt", "one", "drei");
  const before = (await store.view.totals()).sequence;
  const noted: Noted = new Set();
  const commit = await revise(ids[0], "src/shop.txt", "one", "TWO");
  await look(ids[0], commit, noted);
  await look(ids[0], commit, noted);
  const notes = sights.filter(({ kind }) => kind === "note");
  expect(notes).toEqual([
    {
      ...{ kind: "note", goal },
      text: expect.stringMatching(
        /^bead bbbbbbbb\.1 of goal bbbbbbbb changes the same lines: src\/shop\.txt/,
      ),
    },
  ]);
  expect((await store.log.read(before + 1, 100)).map(({ event }) => event.type)).not.toContain(
    "conflict-seen",
  );
});

test("who lost its lease tells nothing", async () => {
  const { store, revise, look, tell, leases } = await house([["**"], ["**"]]);
  const [first, second] = ids;
  await revise(first, "src/shop.txt", "one", "TWO");
  const commit = await revise(second, "src/shop.txt", "one", "zwei");
  const lost = leases.get(second) as Lease;
  await tell({ type: "bead-released", goal, bead: second, token: lost.token, why: "the machine slept" });
  await expect(look(second, commit)).rejects.toThrow("the lease is lost");
  expect(await clashes(store)).toEqual([]);
});
