/** The merge queue over a repository and a language in memory: what lands, what comes back, and how many proofs that takes. */
import { expect, test } from "vitest";
import { type Bead, wholeContract } from "../src/domain/bead.ts";
import { decide } from "../src/domain/decision.ts";
import type { Check, GateRun } from "../src/domain/gate.ts";
import { type Goal, refusalOf } from "../src/domain/goal.ts";
import {
  attemptId,
  type BeadId,
  beadId,
  type Commit,
  type GoalId,
  type PolecatId,
} from "../src/domain/id.ts";
import { storiesOf } from "../src/domain/judge.ts";
import { blobOf, createBead, createGoal, proof } from "../src/domain/sample.case.ts";
import type { ProofFacts } from "../src/domain/verdict.ts";
import { memoryStore } from "../src/edges/store/memory.ts";
import type { Clock } from "../src/kit/clock.ts";
import type { NewEvent, Store } from "../src/ports/store.ts";
import { deliver } from "../src/work/delivery.ts";
import { integrate } from "../src/work/integration.ts";
import { remarksOn } from "../src/work/meeting.ts";
import { answering, resumption, sameBounds } from "../src/work/resume.ts";
import type { Scene } from "../src/work/scene.ts";
import type { Tools } from "../src/work/tools.ts";
import { memoryRepositories } from "./support/memory-repository.ts";
import { toyEnvironments, toyVerifier } from "./support/toy.ts";

const goal = "aaaaaaaa" as GoalId;
const root = beadId(goal, 1);
const author = "Ada Example <ada@example.org>";
const { signal } = new AbortController();

/** What a part writes, and the lines its test asks for. */
interface Part {
  readonly path: string;
  readonly lines: readonly string[];
  readonly asks: readonly string[];
}

/** A tree whose parts were all proven on the base, and the queue before them. */
async function queueOf(parts: readonly Part[]) {
  const clock: Clock = { now: () => 1_800_000_000_000, sleep: async () => undefined };
  const store = memoryStore({ now: () => clock.now() });
  const repositories = memoryRepositories();
  const tests = parts.map(({ asks }, index) => [`tests/t${index + 1}.txt`, `${asks.join("\n")}\n`]);
  const base = repositories.create("/top", { "src/had.txt": "had\n", ...Object.fromEntries(tests) });
  const repository = await repositories.open("/top", base);
  const seen: ProofFacts[] = [];
  const inner = toyVerifier(repositories, clock);
  const verifier: typeof inner = {
    ...inner,
    prove: async (...words) => {
      const facts = await inner.prove(...words);
      seen.push(facts);
      return facts;
    },
  };
  const signature = (payload: Uint8Array, payloadType: string) => ({
    ...{ payloadType, payload: Buffer.from(payload).toString("base64"), signatures: [] },
  });
  const pack = new Map<string, string>();
  const evidence = { write: async (_: GoalId, name: string, text: string) => void pack.set(name, text) };
  const tools = {
    ...{ store, clock, repositories, evidence, watch: () => undefined },
    signer: { keyId: "toy", publicKey: "toy", sign: signature, verify: () => true },
    enclosure: async () => ({ verifier, environments: toyEnvironments }),
  } as unknown as Tools;
  const tell = (...events: readonly NewEvent[]) => store.log.append(events, { kind: "none" });
  const ids = parts.map((_, index) => beadId(root, index + 1));
  const checks = ids.map(
    (_, index): Check => ({
      ...{ name: `c${index + 1}`, command: `ask tests/t${index + 1}.txt`, cwd: ".", role: "acceptance" },
      ...{ timeoutMs: 60_000, report: { kind: "recognise" } },
    }),
  );
  const created = createGoal(goal);
  const order = { ...created.order, repository: "/top", base, acceptance: "user", author } as const;
  const written = JSON.stringify({ skeleton: { "src/kinds.txt": "kinds\n" }, beads: [] });
  const plan = await store.blobs.put(new TextEncoder().encode(written));
  const split = { type: "bead-split", goal, bead: root, plan, head: undefined, checks } as const;
  await tell(
    { ...created, order },
    { type: "base-surveyed", goal, results: [], runs: blobOf(1) },
    createBead(root, goal),
    split,
    ...ids.map((bead, index): NewEvent => {
      const contract = wholeContract(`part ${index + 1}`, [`c${index + 1}`]);
      return { ...createBead(bead, goal), parent: root, contract };
    }),
  );
  let made = 0;
  /** Its next attempt ends with this proven on what it stands on. */
  const prove = async (bead: BeadId, { path, lines }: Part) => {
    const { attempts, token } = (await store.view.bead(bead)) as Bead;
    const attempt = attemptId(bead, attempts + 1);
    const claim = {
      type: "bead-claimed",
      goal,
      bead,
      attempt,
      by: "p" as PolecatId,
      token: token + 1,
    } as const;
    await tell(claim);
    const stands = (await store.view.attempt(attempt))?.base ?? base;
    const files = new Map([[path, new TextEncoder().encode(`${lines.join("\n")}\n`)]]);
    const ref = `refs/rigs/${attempt}/${++made}`;
    const { commit } = await repository.write({ parent: stands, files, message: bead, author, ref });
    const about = { goal, bead, attempt, commit } as const;
    const { environment } = await toyEnvironments.prepare({} as never, signal).then((each) => {
      if (each.kind === "failed") throw new Error("the toy needs nothing");
      return each;
    });
    const own = checks.filter((_, index) => ids[index] === bead);
    const trial = {
      mutantsMax: 0,
      checks: own,
      gitDir: repository.gitDir,
      commit,
      base: stands,
      environment,
    };
    const facts = await inner.prove({ ...trial, protect: [], allowChange: [] }, signal);
    const evidence = await store.blobs.put(
      new TextEncoder().encode(JSON.stringify({ facts, stories: storiesOf(facts), questions: [] })),
    );
    const statement = await store.blobs.put(new TextEncoder().encode("{}"));
    const papers = { proof, isAccepted: true, statement, evidence };
    await tell({ type: "proof-started", ...about }, { type: "proof-ended", ...about, ...papers });
  };
  for (const [index, part] of parts.entries()) await prove(ids[index] as BeadId, part);
  /** Announces and lands what is proven, of these. */
  const turn = async (only: readonly BeadId[] = ids) => {
    for (const kind of ["proven", "integrating"] as const) {
      const all = await store.view.beads({ goal, state: kind, countMax: 100 });
      const found = all.filter(({ id }) => only.includes(id));
      const look = await store.view.goal(goal);
      if (look !== undefined && found.length > 0)
        await integrate(
          look,
          found.map(({ id }) => id),
          tools,
          signal,
        );
    }
  };
  /** The repositories as they are when the private clone is made again. */
  const cloneAgain = () => {
    const again = memoryRepositories();
    again.create("/top", { "src/had.txt": "had\n", ...Object.fromEntries(tests) });
    return again;
  };
  return {
    store,
    clock,
    tell,
    ids,
    prove,
    turn,
    base,
    repositories,
    cloneAgain,
    proofs: () => seen.length,
    ...{ seen, tools, pack },
  };
}

const kindsOf = async (store: Store, ids: readonly BeadId[]) =>
  Promise.all(ids.map(async (id) => (await store.view.bead(id))?.state.kind));

const partOf = (number: number, ...more: readonly string[]): Part => ({
  ...{ path: `src/p${number}.txt`, lines: [`fact${number}`, ...more], asks: [`fact${number}`] },
});

test("eight that fit land with one proof, each as its own commit on the line", async () => {
  const { store, ids, turn, proofs, base, repositories } = await queueOf(
    [1, 2, 3, 4, 5, 6, 7, 8].map((each) => partOf(each)),
  );
  await turn();
  expect(await kindsOf(store, ids)).toEqual(Array(8).fill("integrated"));
  expect(proofs()).toBe(1);
  const goalNow = await store.view.goal(goal);
  const line: Commit[] = [];
  for (let at = goalNow?.head; at !== undefined && at !== base; at = repositories.parentOf(at))
    line.unshift(at);
  const integrated = await Promise.all(ids.map(async (id) => (await store.view.bead(id))?.state));
  expect(line).toEqual(integrated.map((state) => state?.kind === "integrated" && state.commit));
  const program = [...repositories.filesOf(line.at(-1) as Commit).keys()].filter((path) =>
    path.startsWith("src/p"),
  );
  expect(program).toHaveLength(8);
});

test.each([1, 4, 8])(
  "one of eight that breaks what the first asks is found and given back: bead %i",
  async (bad) => {
    const parts = [1, 2, 3, 4, 5, 6, 7, 8].map((each) => partOf(each, ...(each === bad ? ["clash"] : [])));
    // Another one asks for its absence, and does so from a place before it, or after where it is the first.
    const witness = bad === 1 ? 1 : 0;
    const asking = parts.map((part, index) =>
      index === witness ? { ...part, asks: [...part.asks, "!clash"] } : part,
    );
    const { store, ids, turn, proofs } = await queueOf(asking);
    await turn();
    const given = bad === 1 ? 2 : bad;
    const expected = ids.map((_, index) => (index + 1 === given ? "ready" : "integrated"));
    expect(await kindsOf(store, ids)).toEqual(expected);
    expect(proofs()).toBeLessThanOrEqual(1 + 1 + 3);
    const back = await store.view.bead(ids[given - 1] as BeadId);
    expect(back).toMatchObject({ returned: expect.stringContaining("together with what was integrated") });
    expect(back?.start?.keeps).toContain("c1");
  },
);

test("who lands later is judged by the tests of those that landed before, and comes back with them", async () => {
  const first = { ...partOf(1), asks: ["fact1", "!clash"] };
  const { store, ids, turn, prove, proofs } = await queueOf([first, partOf(2, "clash")]);
  await turn(ids.slice(0, 1));
  expect(proofs(), "what was proven on this very head lands as it is").toBe(0);
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "ready"]);
  const second = ids[1] as BeadId;
  expect((await store.view.bead(second))?.start).toMatchObject({ keeps: ["c1"] });
  await prove(second, partOf(2));
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "integrated"]);
  expect(proofs(), "mended on the head it was merged with, it lands as it is").toBe(1);
});

const meeting = (text: string, ...more: readonly string[]): Part => ({
  ...{ path: "src/shared.txt", lines: ["one", ...more, text, "four"], asks: [text] },
});

test("what contradicts comes back with both sides in it, named; put together, it lands, also after the next one", async () => {
  const parts = [meeting("a"), meeting("b"), meeting("c")];
  const { store, ids, turn, prove, repositories } = await queueOf(parts);
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "ready", "ready"]);
  const [first, second, third] = ids as [BeadId, BeadId, BeadId];
  const head = (await store.view.goal(goal))?.head;
  const back = await store.view.bead(second);
  expect(back).toMatchObject({
    returned: `it contradicts what was integrated by bead ${first}: src/shared.txt`,
    start: { base: head, keeps: ["c1"] },
  });
  expect(repositories.filesOf(back?.start?.commit as Commit).get("src/shared.txt")).toBe(
    "one\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\nfour\n",
  );
  // Both put it together on the head, side by side, and the later one meets the other.
  await prove(second, meeting("b", "a"));
  await prove(third, meeting("c", "a"));
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "integrated", "ready"]);
  expect(await store.view.bead(third)).toMatchObject({
    returned: `it contradicts what was integrated by bead ${second}: src/shared.txt`,
  });
  await prove(third, meeting("c", "a", "b"));
  await turn();
  expect(await kindsOf(store, ids)).toEqual(Array(3).fill("integrated"));
  const landed = (await store.view.goal(goal))?.head as Commit;
  expect(repositories.filesOf(landed).get("src/shared.txt")).toBe("one\na\nb\nc\nfour\n");
});

test("who puts both together leaves no part of a marker, and of a test file of both neither more nor less", async () => {
  const { store, ids, turn, base, repositories, tools } = await queueOf([meeting("a"), meeting("b")]);
  await turn();
  const [, bead] = ids as [BeadId, BeadId];
  const back = (await store.view.bead(bead)) as Bead;
  const { start } = back;
  const repository = await repositories.open("/top", base);
  const attempt = { id: attemptId(bead, 2), bead, start: start?.commit };
  const about = { goal: await store.view.goal(goal), bead: back, attempt, base: start?.base };
  const scene = { ...about, shared: ["src/shared.txt"], site: { repository }, tools } as unknown as Scene;
  const held = async (...lines: readonly string[]) => {
    const files = new Map([["src/shared.txt", new TextEncoder().encode(`${lines.join("\n")}\n`)]]);
    const ask = { parent: start?.base as Commit, files, message: "", author, ref: "refs/rigs/x" };
    const { commit } = await repository.write(ask);
    const remarks = await remarksOn(scene, { commit, gates: [] } as unknown as ProofFacts);
    return remarks.map(({ sentence }) => sentence).filter((each) => each.includes("src/shared.txt"));
  };
  expect(await held("one", "a", "b", "four")).toEqual([]);
  expect(await held("one", "a", "=======", "b", ">>>>>>> theirs", "four")).toEqual([
    expect.stringContaining("it has a line where neither side has it: ======="),
    "a part of a conflict marker is left in src/shared.txt:3, src/shared.txt:5: take the whole of it out",
  ]);
  expect(await held("one", "a", "b", "more", "four")).toEqual([expect.stringContaining("has it: more")]);
  expect(await held("one", "a", "four")).toEqual([expect.stringContaining("lost 1 lines, first: b")]);
});

test("the same contradiction twice is the contract's fault: parked, and said; so is what comes back time and again", async () => {
  const { store, ids, turn, prove } = await queueOf([
    ...[{ ...partOf(1), asks: ["fact1", "!clash"] }, partOf(2, "clash")],
    ...["a", "b", "c", "d", "e", "f"].map((text) => meeting(text)),
  ]);
  const second = ids[1] as BeadId;
  await turn(ids.slice(0, 2));
  expect(await kindsOf(store, [second])).toEqual(["ready"]);
  await prove(second, partOf(2, "clash"));
  const others = ids.slice(2);
  // What it met has moved on, so it is proven there again, and is red over the same test.
  await turn(others.slice(0, 1));
  await turn([second]);
  expect((await store.view.bead(second))?.state).toMatchObject({
    cause: "work",
    reason: expect.stringMatching(/twice, for the same reason, so its contract does not fit/),
  });
  await turn(others);
  for (const done of ["a", "ab", "abc", "abcd"]) {
    for (const id of others) {
      const { state, returned } = (await store.view.bead(id)) as Bead;
      const own = "abcdef"[others.indexOf(id)] as string;
      if (state.kind === "ready" && returned !== undefined) await prove(id, meeting(own, ...done));
    }
    await turn(others);
  }
  expect(await kindsOf(store, others)).toEqual([...Array(5).fill("integrated"), "parked"]);
  expect((await store.view.bead(others[5] as BeadId))?.state).toMatchObject({
    cause: "work",
    reason: expect.stringMatching(/5 times, so its contract does not fit.*src\/shared\.txt/),
  });
});

test("moved and proven again, a bead's own tests are seen to pass there too: by construction, and held all the same", async () => {
  const { store, ids, turn, seen } = await queueOf([partOf(1), partOf(2), partOf(3)]);
  await turn();
  expect(await kindsOf(store, ids)).toEqual(Array(3).fill("integrated"));
  const [moved] = seen;
  const passed = (moved === undefined ? [] : storiesOf(moved)).filter(({ head }) => head === "passed");
  expect(passed.map(({ id }) => id).sort()).toEqual([1, 2, 3].map((n) => `tests/t${n}.txt::fact${n}`));
});

test("the whole is held to every test that the proofs of its parts saw pass, one by one", async () => {
  const { store, ids, turn, seen, base, repositories, tools } = await queueOf([partOf(1), partOf(2)]);
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "integrated"]);
  const [facts] = seen as [ProofFacts];
  const repository = await repositories.open("/top", base);
  const [look, bead] = [await store.view.goal(goal), await store.view.bead(root)];
  const scene = { goal: look, bead, attempt: {}, base, site: { repository }, tools } as unknown as Scene;
  expect(await remarksOn(scene, facts)).toEqual([]);
  // Green, and one test fewer: its command promises nothing of it.
  const fewer = (run: GateRun): GateRun =>
    run.kind === "counted" ? { ...run, tests: run.tests.slice(1) } : run;
  const gates = facts.gates.map((gate) =>
    gate.check.name === "c2" ? { ...gate, head: fewer(gate.head) } : gate,
  );
  expect(await remarksOn(scene, { ...facts, gates })).toEqual([
    { weight: "refutes", sentence: "passed in a part's own proof and has vanished: tests/t2.txt::fact2" },
  ]);
});

/** Parts that are in and hold what runs by itself, and a whole that was parked for this reason: what the goal comes to. */
async function partsAlone(reason: string) {
  const harness = await queueOf([{ ...partOf(1), path: "src/.envrc" }]);
  const { store, tell, turn, ids, tools, repositories } = harness;
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated"]);
  await tell({ type: "bead-parked", goal, bead: root, cause: "work", reason, best: undefined });
  const concluded = async () => {
    const look = (await store.view.goal(goal)) as Goal;
    const beads = await store.view.beads({ goal, countMax: 100 });
    for (const decision of decide({ goal: look, beads, now: 0 })) {
      if (decision.kind === "deliver") await deliver(look, decision.bead, tools);
      if (decision.kind === "end") await tell({ type: "goal-ended", goal, end: decision.end });
    }
    return { branch: undefined, commit: undefined, ...(await store.view.goal(goal))?.end };
  };
  const said = async (word: "yes" | "no") => {
    const look = (await store.view.goal(goal)) as Goal;
    const answer = { word, question: look.end?.reason ?? "" };
    const answered = await answering(look, answer, { store, repositories });
    if (answered.kind === "refused") throw new Error(answered.why);
    await tell(...answered.events);
    const end = await concluded();
    const again = await answering((await store.view.goal(goal)) as Goal, answer, { store, repositories });
    expect(again, "an answer that was lost on its way is taken once").toEqual({ kind: "taken", events: [] });
    return end;
  };
  return { ...harness, concluded, said };
}

test("parts without their whole are asked about before they are handed over; a no hands over nothing, a yes says so", async () => {
  const asked = {
    ...{ outcome: "needs-answer", branch: undefined },
    reason: expect.stringMatching(
      /^only parts of it stand.* src\/\.envrc: runs or loads by itself.*is that what you want\?$/,
    ),
  };
  const refusing = await partsAlone("the tries are spent");
  expect(await refusing.concluded()).toMatchObject(asked);
  expect([...refusing.pack.keys()]).toEqual(["change.diff"]);
  expect(await refusing.said("no")).toMatchObject({
    ...{ outcome: "failed", branch: undefined, commit: undefined },
    reason: expect.stringMatching(/^you said no to: only parts of it stand/),
  });
  const allowing = await partsAlone("the tries are spent");
  expect(await allowing.concluded()).toMatchObject(asked);
  expect(await allowing.said("yes")).toMatchObject({ outcome: "partial", branch: `rigs/${goal}` });
  expect(allowing.pack.get("evidence.md")).toMatch(/\*\*Allowed by the user\*\*.*src\/\.envrc/);
});

test("what was refused of the whole is not asked of its parts again: they hold it, so there is no branch", async () => {
  const finding = "src/.envrc: runs or loads by itself (allow it with --allow-change 'src/.envrc')";
  const { concluded, pack } = await partsAlone(refusalOf(`${finding}: is that what you want?`));
  expect(await concluded()).toMatchObject({
    ...{ outcome: "failed", branch: undefined, commit: undefined },
    reason: `you said no to: ${finding}; the parts that stand hold it, so none is delivered`,
  });
  expect([...pack.keys()]).toEqual([]);
});

test("resumed, what was given up is done again in its order: parts first, what needs them after, the parent last", async () => {
  const { store, clock, tell, ids, repositories } = await queueOf([partOf(1), partOf(2)]);
  const [first, second] = ids as [BeadId, BeadId];
  const needing = beadId(root, 3);
  const parked = (bead: BeadId): NewEvent => ({
    ...{ type: "bead-parked", goal, bead, cause: "work", reason: "spent", best: undefined },
  });
  await tell({ ...createBead(needing, goal), parent: root, dependsOn: [first] });
  await tell(parked(first), parked(needing), parked(root));
  const look = (await store.view.goal(goal)) as Goal;
  const { events, notes } = await resumption(look, sameBounds, { store, repositories, clock });
  expect(notes).toEqual([]);
  await tell(...events);
  expect(await kindsOf(store, [root, first, second, needing])).toEqual([
    "split",
    "ready",
    "proven",
    "blocked",
  ]);
});

test("resumed without its clone, a tree begins anew on its skeleton, and says so", async () => {
  const { store, clock, tell, ids, turn, cloneAgain } = await queueOf([partOf(1), partOf(2), partOf(3)]);
  await turn();
  expect(await kindsOf(store, ids)).toEqual(Array(3).fill("integrated"));
  const repositories = cloneAgain();
  const { events, notes } = await resumption((await store.view.goal(goal)) as Goal, sameBounds, {
    ...{ store, repositories, clock },
  });
  expect(notes).toEqual(["what the tree stood on is gone with Rigs' clone: it begins anew"]);
  await tell(...events);
  const after = (await store.view.goal(goal)) as Goal;
  expect(repositories.filesOf(after.head as Commit).get("src/kinds.txt")).toBe("kinds\n");
  expect(after.landed).toEqual([]);
  expect(await kindsOf(store, [root, ...ids])).toEqual(["split", "blocked", "blocked", "blocked"]);
  const beads = await store.view.beads({ goal, countMax: 100 });
  const decisions = decide({ goal: after, beads, now: clock.now() });
  expect(decisions).toEqual(ids.map((bead) => ({ kind: "unblock", bead })));
  expect(await store.audit()).toEqual([]);
});

test("what comes back for the same reason after it began anew comes back for the first time", async () => {
  const { store, clock, tell, ids, prove, turn, repositories } = await queueOf([meeting("a"), meeting("b")]);
  await turn();
  const second = ids[1] as BeadId;
  const { returned } = (await store.view.bead(second)) as Bead;
  expect(returned).toContain("contradicts");
  repositories.lose();
  const look = (await store.view.goal(goal)) as Goal;
  const { events } = await resumption(look, sameBounds, { store, repositories, clock });
  await tell(...events, ...ids.map((bead): NewEvent => ({ type: "bead-ready", goal, bead, why: "free" })));
  for (const [index, text] of ["a", "b"].entries()) await prove(ids[index] as BeadId, meeting(text));
  await turn();
  expect(await kindsOf(store, ids)).toEqual(["integrated", "ready"]);
  expect((await store.view.bead(second))?.returned).toBe(returned);
});

test("without its clone a tree goes on from the parts that were delivered", async () => {
  const { store, clock, ids, turn, repositories } = await queueOf([partOf(1), partOf(2)]);
  await turn();
  const look = (await store.view.goal(goal)) as Goal;
  await (await repositories.open("/top", look.order.base)).deliver(look.head as Commit, `rigs/${goal}`);
  repositories.lose();
  const { events, notes } = await resumption(look, sameBounds, { store, repositories, clock });
  expect([events, notes]).toEqual([[], []]);
  expect(await kindsOf(store, ids)).toEqual(["integrated", "integrated"]);
});

test("a whole that was integrated and not delivered begins anew with its clone", async () => {
  const { store, clock, tell, ids, turn, cloneAgain } = await queueOf([partOf(1)]);
  await turn();
  const { head } = (await store.view.goal(goal)) as Goal;
  const whole = { goal, bead: root, attempt: attemptId(root, 1) } as const;
  await tell(
    { type: "bead-ready", goal, bead: root, why: "its parts are settled" },
    { type: "bead-claimed", ...whole, by: "p" as PolecatId, token: 1 },
    { type: "proof-started", ...whole, commit: head as Commit },
    {
      ...{ type: "proof-ended", ...whole, commit: head as Commit, proof, isAccepted: true },
      ...{ statement: blobOf(2), evidence: blobOf(3) },
    },
    { type: "bead-integrating", goal, bead: root },
    { type: "bead-integrated", goal, bead: root, commit: head as Commit, statement: blobOf(2) },
  );
  const { events } = await resumption((await store.view.goal(goal)) as Goal, sameBounds, {
    ...{ store, repositories: cloneAgain(), clock },
  });
  await tell(...events);
  expect(await kindsOf(store, [root, ...ids])).toEqual(["split", "blocked"]);
});
