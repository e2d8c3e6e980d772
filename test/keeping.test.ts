import { expect, test } from "vitest";
import type { Attempt, TrailEntry } from "../src/domain/attempt.ts";
import type { Bead } from "../src/domain/bead.ts";
import type { Goal } from "../src/domain/goal.ts";
import { attemptId, beadId, type Commit, type GoalId, revisionId } from "../src/domain/id.ts";
import { evaluationOf, orderOf } from "../src/domain/sample.case.ts";
import type { Store } from "../src/ports/store.ts";
import { keptBelow, unkept } from "../src/work/keeping.ts";
import { memoryRepositories } from "./support/memory-repository.ts";

const id = "k7m2q9xd" as GoalId;
const bead = { id: beadId(id, 1), isParent: false } as Bead;
const author = "Ada Example <ada@example.org>";
const markers = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n";

/** A revision by what it writes; "join" is one that nobody wrote. */
interface Step {
  readonly files: Readonly<Record<string, string>>;
  readonly step?: "join";
}

/** The texts of `kept`, and what was left out for what it brings. */
async function keptAndNot(steps: readonly Step[], allowChange: readonly string[] = []) {
  const left: string[] = [];
  const texts = await kept(steps, { allowChange, left });
  return { texts, left };
}

/** The texts of `a.txt` on the way down from what is kept to what it lands on, with `landed` there since the work began. */
async function kept(
  steps: readonly Step[],
  ask: {
    readonly landed?: Readonly<Record<string, string>>;
    /** What is proven; the newest revision where it is left out. */
    readonly proven?: number;
    readonly keepRevisions?: boolean;
    /** The private clone is lost before the newest so many steps. */
    readonly lostBefore?: number;
    readonly allowChange?: readonly string[];
    /** Gets what is left out for what it brings. */
    readonly left?: string[];
  } = {},
): Promise<readonly (string | undefined)[]> {
  const repositories = memoryRepositories();
  const base = repositories.create("/top", { "a.txt": "base", "b.txt": "base" });
  const repository = await repositories.open("/top", base);
  const write = (parent: Commit, files: Readonly<Record<string, string>>) => {
    const bytes = new Map(
      Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]),
    );
    return repository.write({ parent, files: bytes, message: "", author, ref: "refs/rigs/x" });
  };
  const trail: TrailEntry[] = [];
  for (const [index, { files, step = "repair" }] of steps.entries()) {
    if (index === steps.length - (ask.lostBefore ?? 0)) {
      repositories.lose();
      await repositories.open("/top", base);
    }
    const { commit, tree } = await write(base, files);
    const revision = revisionId(attemptId(bead.id, 1), index + 1);
    trail.push({
      ...{ kind: "revised", revision, commit, parent: base, tree, step, files: [] },
      evaluation: evaluationOf(1),
    });
  }
  const parent = ask.landed === undefined ? base : (await write(base, ask.landed)).commit;
  const attempt = { id: attemptId(bead.id, 1), base, start: undefined, trail } as unknown as Attempt;
  const proven = trail.at(ask.proven === undefined ? -1 : ask.proven - 1);
  const { keepRevisions = true, allowChange = [] } = ask;
  const goal = { id, order: { ...orderOf("t"), base, keepRevisions, allowChange } } as unknown as Goal;
  const landing = { goal, bead, parent, tree: proven?.kind === "revised" ? proven.tree : "" };
  const store = { view: { attempts: async () => [attempt] } } as unknown as Store;
  const top = await keptBelow({ ...landing, ref: "refs/rigs/x" }, { repository, store });
  for (const { revision, why } of await unkept(goal, bead, { repository, store }))
    ask.left?.push(`${revision}: ${why.join(", ")}`);
  const texts: (string | undefined)[] = [];
  for (let at: Commit | undefined = top; at !== parent && at !== undefined; at = repositories.parentOf(at))
    texts.unshift(repositories.filesOf(at).get("a.txt"));
  return texts;
}

const a = (text: string, more: Readonly<Record<string, string>> = {}): Step => ({
  files: { "a.txt": text, ...more },
});

test("below what is proven stand the revisions before it, in their order; without the option nothing does", async () => {
  expect(await kept([a("1"), a("2"), a("3")])).toEqual(["1", "2"]);
  expect(await kept([a("1")])).toEqual([]);
  expect(await kept([a("1"), a("2")], { keepRevisions: false })).toEqual([]);
});

test("a revision that was taken back stays in the history, below the one that was proven after all", async () => {
  expect(await kept([a("1"), a("2")], { proven: 1 })).toEqual(["1", "2"]);
});

test("on what landed meanwhile each is merged, and one that contradicts it is left out", async () => {
  const steps = [a("1"), a("2"), a("3")];
  expect(await kept(steps, { landed: { "b.txt": "landed" } })).toEqual(["1", "2", "3"]);
  const elsewhere = [a("base", { "c.txt": "1" }), a("clash"), a("base", { "c.txt": "2" })];
  expect(await kept(elsewhere, { landed: { "a.txt": "landed" } })).toEqual(["landed", "landed"]);
});

test("what changes nothing, holds conflict markers or is a merge that nobody wrote is left out", async () => {
  expect(await kept([a("1"), a("1"), a("2")])).toEqual(["1"]);
  expect(await kept([a(markers), a("1"), a("2")])).toEqual(["1"]);
  expect(await kept([{ ...a("joined"), step: "join" }, a("1"), a("2")])).toEqual(["1"]);
  expect(await kept([a("base"), a("1")])).toEqual([]);
});

test("a revision that brought what needs the user's word is in no history, and said; what the user allowed is", async () => {
  const planted = a("1", { ".envrc": "run me\n", ".github/workflows/ci.yml": "on: push\n" });
  expect(await keptAndNot([planted, a("2"), a("3")])).toEqual({
    texts: ["2"],
    left: [
      `${revisionId(attemptId(bead.id, 1), 1)}: .envrc: runs or loads by itself, .github/workflows/ci.yml: runs or loads by itself`,
    ],
  });
  const allowed = [".envrc", ".github/**"];
  expect(await keptAndNot([planted, a("2"), a("3")], allowed)).toEqual({ texts: ["1", "2"], left: [] });
});

test("what went with a lost clone is left out, whatever else it was", async () => {
  expect(await kept([a("1"), a("2"), a("3")], { lostBefore: 2 })).toEqual(["2"]);
  expect(await kept([a("1"), a("2")], { lostBefore: 1, landed: { "b.txt": "landed" } })).toEqual(["2"]);
});
