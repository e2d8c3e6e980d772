/** The simulation is worth as much as its fakes: they keep the same promises as what they stand for. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Commit } from "../../src/domain/id.ts";
import type { Fault, Reply } from "../../src/domain/reply.ts";
import { openRepositories } from "../../src/edges/git/repositories.ts";
import { seeded } from "../../src/kit/random.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import { mergeCases } from "../../src/ports/merge.case.ts";
import { caseNow, caseText, modelCases, type OpenedCase } from "../../src/ports/model.case.ts";
import { scratch, userEnvironment } from "../../src/ports/repository.case.ts";
import { type Repository, RepositoryError } from "../../src/ports/repository.ts";
import { memoryRepositories } from "./memory-repository.ts";
import { type NoisyOptions, noisyModel } from "./noisy-model.ts";

const fault = (kind: Fault["kind"]): Fault => {
  if (kind === "throttle") return { kind, retryAt: caseNow + 7000, why: "too many requests" };
  if (kind === "window") return { kind, resetAt: caseNow + 9_000_000, why: "the window is used up" };
  return { kind, why: "the request was not answered" };
};

modelCases(
  "the noisy model",
  async (scenario): Promise<OpenedCase> => {
    let requests = 0;
    const asked = Promise.withResolvers<void>();
    const clock = new VirtualClock(caseNow);
    const fixed: NoisyOptions["fixed"] =
      scenario.kind === "fault"
        ? fault(scenario.fault)
        : { text: caseText, finish: scenario.kind === "said" ? scenario.finish : "stop" };
    const inner = noisyModel({
      ...{ provider: "noisy", clock, random: seeded(1), skill: 1, faults: 0, secret: "" },
      slowMsMax: scenario.kind === "hang" ? 1_000 : 0,
      knowledge: () => ({ path: "src/facts.txt", had: [], wanted: [] }),
      paid: () => undefined,
      fixed,
    });
    const ask: typeof inner.ask = async (prompt, signal, onText): Promise<Reply> => {
      const reply = inner.ask(prompt, signal, onText);
      if (!signal.aborted) requests += 1;
      asked.resolve();
      if (scenario.kind !== "hang") clock.advance();
      return reply;
    };
    return {
      model: { ...inner, ask },
      requests: () => requests,
      asked: asked.promise,
      closed: asked.promise,
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
  {
    headers: "nothing travels, so there are none",
    refused: undefined,
    lying: "it counts by itself and cannot lie",
    usage: "it counts the prompt it was given",
  },
);

mergeCases(
  "a repository in memory",
  async (files) => {
    const repositories = memoryRepositories();
    const base = repositories.create("/merging", files);
    return { repository: await repositories.open("/merging", base), base };
  },
  "odd name and ünïcode",
);

/**
 * The cases of the port need folders, links, modes and git itself, which memory has none of. Instead both are asked the
 * same: plain files, as the simulation uses them, must give the same lists, changes, trees and refusals.
 */
describe("repositories in memory, beside those of git", () => {
  const { folder, sample } = scratch();
  const user = sample("user");
  const files = { "src/a": "1\n", "src/b": "2\n", "tests/t": "1\n", top: "x\n" };
  for (const [path, text] of Object.entries(files)) user.write(path, text);
  const head = user.commit("first");
  const real = openRepositories({ root: folder("root"), surroundings: userEnvironment });
  const memory = memoryRepositories();
  const first = memory.create(user.top, files);
  const path = fc.constantFrom(
    "src/a",
    "src/b",
    "src/a/below",
    "new",
    "new/below",
    "tests/t",
    "../out",
    ".git/x",
    "a//b",
  );
  const write = fc.record({
    kind: fc.constant("write" as const),
    on: fc.nat(5),
    files: fc.dictionary(path, fc.option(fc.constantFrom("1\n", "2\n", "3\n"), { nil: undefined }), {
      maxKeys: 3,
    }),
  });
  const squash = fc.record({ kind: fc.constant("squash" as const), of: fc.nat(5) });
  const author = "Ada Example <ada@example.org>";
  const ref = "refs/rigs/k7m2q9xd.1/a1/r1";

  type Act =
    | { kind: "write"; on: number; files: Record<string, string | undefined> }
    | { kind: "squash"; of: number };

  /** What one of them says to it all, with names of trees replaced by the order in which they came. */
  async function play(
    repository: Repository,
    base: Commit,
    acts: readonly Act[],
  ): Promise<readonly unknown[]> {
    const commits = [base];
    const trees: string[] = [];
    const nameOf = (tree: string) => (trees.includes(tree) ? trees.indexOf(tree) : trees.push(tree) - 1);
    const said: unknown[] = [];
    const at = (index: number) => commits[index % commits.length] ?? base;
    for (const act of acts) {
      const done = await perform(act).catch((error: unknown) => error);
      if (done instanceof RepositoryError) said.push("refused");
      else if (done instanceof Error) throw done;
      else said.push(done);
    }
    return said;

    async function perform(act: Act): Promise<unknown> {
      if (act.kind === "squash") {
        const tree = await repository.treeOf(at(act.of));
        commits.push(await repository.squash({ tree, parent: base, message: "m", author, ref }));
        return [
          nameOf(await repository.treeOf(at(-1 + commits.length))),
          await repository.changes(base, at(act.of)),
        ];
      }
      const bytes = Object.entries(act.files).map(
        ([path, text]) => [path, text === undefined ? undefined : new TextEncoder().encode(text)] as const,
      );
      const parent = at(act.on);
      const revised = await repository.write({ parent, files: new Map(bytes), message: "m", author, ref });
      commits.push(revised.commit);
      const list = await repository.list(revised.commit);
      const texts = await Promise.all(list.map(async (entry) => repository.read(revised.commit, entry.path)));
      return {
        tree: nameOf(revised.tree),
        changes: revised.changes,
        list,
        texts: texts.map((each) => each && Buffer.from(each).toString()),
        none: await repository.read(revised.commit, "src"),
      };
    }
  }

  test("say the same", async () => {
    const [git, fake] = [await real.open(user.top, head), await memory.open(user.top, first)];
    const acts = fc.array(fc.oneof({ weight: 3, arbitrary: write }, squash), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(acts, async (all) => {
        expect(await play(fake, first, all as readonly Act[])).toEqual(
          await play(git, head, all as readonly Act[]),
        );
      }),
      { numRuns: 15, seed: 1 },
    );
    const nowhere = "0123456789012345678901234567890123456789" as Commit;
    for (const each of [git, fake]) await expect(each.list(nowhere)).rejects.toThrow(RepositoryError);
  }, 60_000);
});
