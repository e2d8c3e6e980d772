/** One seeded run of the whole system: goals, faults of every kind, and the laws that must survive them. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Bead } from "../../src/domain/bead.ts";
import { type Budget, unbounded } from "../../src/domain/budget.ts";
import type { Check } from "../../src/domain/gate.ts";
import { type Goal, type GoalEnd, groundOf } from "../../src/domain/goal.ts";
import { beadId, type Commit, type GoalId, goalId, type PolecatId } from "../../src/domain/id.ts";
import { defaultPolicy } from "../../src/domain/move.ts";
import type { Plan } from "../../src/domain/plan.ts";
import { readPlan } from "../../src/edges/plan/file.ts";
import { memoryStore } from "../../src/edges/store/memory.ts";
import { roughSize } from "../../src/edges/tokens.ts";
import { type Random, seeded } from "../../src/kit/random.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import type { Model, Prompt } from "../../src/ports/model.ts";
import type { Signer } from "../../src/ports/signer.ts";
import type { NewEvent } from "../../src/ports/store.ts";
import { type Verifier, VerifierError, VerifierLost } from "../../src/ports/verifier.ts";
import type { Source } from "../../src/work/accounts.ts";
import { Capacity } from "../../src/work/capacity.ts";
import { Estimates } from "../../src/work/estimates.ts";
import { type Foreman, startForeman } from "../../src/work/foreman.ts";
import { Interrupted } from "../../src/work/interrupted.ts";
import { answering, resumption, sameBounds } from "../../src/work/resume.ts";
import type { Tools } from "../../src/work/tools.ts";
import { type Laws, lawful, secret, stranger } from "./laws.ts";
import { Life, mortal } from "./life.ts";
import { type Files, type MemoryRepositories, memoryRepositories } from "./memory-repository.ts";
import { noisyModel } from "./noisy-model.ts";
import { isTrue, linesOf, toyEnvironments, toyVerifier } from "./toy.ts";

/** What went wrong, or nothing; and what happened. */
export interface Report {
  readonly seed: number;
  readonly broken: readonly string[];
  readonly story: readonly string[];
  readonly ends: readonly string[];
  /** Faults that really struck. */
  readonly struck: readonly Fate["kind"][];
  readonly virtualMs: number;
}

/** Something that happens to the process when it makes its n-th call to the outside. */
interface Fate {
  readonly atStep: number;
  readonly kind:
    | "crash"
    | "stop"
    | "cancel"
    | "sleep"
    | "rival"
    /** The verifier is killed over one run; over one run and both tries to repeat it; or it cannot do what it is asked. */
    | "verifier"
    | "verifier thrice"
    | "verifier failing"
    /** A jail is killed alone; and the one that repeats its run too. */
    | "jail"
    | "jail twice"
    /** The private clones are deleted, and the process ends with them. */
    | "clone";
}

const fateKinds = [
  ...(["crash", "crash", "crash", "stop", "cancel", "sleep", "rival"] as const),
  ...(["verifier", "verifier thrice", "verifier failing", "jail", "jail twice", "clone"] as const),
];
const startAt = 1_800_000_000_000;
const turnsMax = 20_000;
const leaseMs = 60_000;

/** Workers of a crowd, and parts that they can begin with. */
const crowdMax = 20;

/** Where a model's tests of a goal stand. */
const suitePath = "test/want.test.js";

const nothingLimited = {
  rpm: undefined,
  rpd: undefined,
  tpm: undefined,
  itpm: undefined,
  otpm: undefined,
  concurrency: undefined,
  burstSeconds: undefined,
};

/** Where parts meet that share a file. */
const sharedPath = "src/shared-facts.txt";

/** One bead's share of a goal, in a file of its own or in one that several write. */
interface Part {
  readonly name: string;
  readonly path: string;
  readonly wanted: readonly string[];
  readonly dependsOn: readonly string[];
  /** The part that it is a part of. */
  readonly below: string | undefined;
  /** What its worker is told. */
  readonly intent: string;
}

interface Task {
  readonly id: GoalId;
  readonly had: readonly string[];
  readonly wanted: readonly string[];
  /** None: the goal is one bead. */
  readonly parts: readonly Part[];
  resumesLeft: number;
}

export async function simulate(seed: number): Promise<Report> {
  const random = seeded(seed);
  return new Simulation(seed, random, "usual").run();
}

/** The same with one goal of 25 parts, 20 workers, and a budget of tokens for a part of it. */
export async function simulateCrowd(seed: number): Promise<Report> {
  return new Simulation(seed, seeded(seed), "crowd").run();
}

class Simulation {
  readonly #seed: number;
  readonly #isCrowd: boolean;
  readonly #random: Random;
  readonly #clock = new VirtualClock(startAt);
  readonly #tasks: Task[] = [];
  readonly #fates: Fate[];
  readonly #struck: Fate["kind"][] = [];
  readonly #repositories: MemoryRepositories;
  readonly #laws: Laws;
  readonly #profile: {
    skill: number;
    faults: number;
    slowMsMax: number;
    workersMax: number;
    surplusTokens: number;
  };
  /** How the accounts of this run count, in every life. */
  readonly #accounts: Pick<Source, "metering" | "limits">;
  /** Of the life that is on. */
  #capacities: Capacity[] = [];
  #steps = 0;
  #lives = 0;
  #life: Life;
  #foreman: Foreman | undefined;
  #isStopping = false;
  /** How often the verifier is going to be killed. */
  #losses = 0;
  #isFailing = false;
  #isCloneLost = false;
  /** How many jails are going to be killed. */
  #cuts = 0;
  readonly #open = new Set<GoalId>();
  readonly #faults: string[] = [];

  constructor(seed: number, random: Random, shape: "usual" | "crowd") {
    this.#seed = seed;
    this.#isCrowd = shape === "crowd";
    this.#random = random;
    this.#repositories = memoryRepositories((_, branch, commit) =>
      this.#laws.delivering(branch.slice("rigs/".length) as GoalId, commit),
    );
    const store = memoryStore({ now: () => this.#clock.now() });
    const { parentOf } = this.#repositories;
    this.#laws = lawful(store, this.#clock, {
      isDone: (goal, bead, commit) => this.#isDone(goal, bead, commit),
      isFrozen: (goal, commit) => this.#isFrozen(goal, commit),
      isSame: (one, other) =>
        isDeepStrictEqual(this.#repositories.filesOf(one), this.#repositories.filesOf(other)),
      standsOn: (goal, commit, other) => this.#standsOn(goal, commit, other),
      parentOf,
      isKept: (commit, by) => this.#isKept(commit, by),
      isUnmarked: (commit) => this.#isUnmarked(commit),
    });
    this.#life = this.#born();
    this.#profile = {
      skill: random() * 0.8,
      faults: random() < 0.5 ? 0 : random() * 0.6,
      slowMsMax: random() < 0.3 ? 300_000 : 2_000,
      workersMax: this.#isCrowd ? crowdMax : 1 + Math.floor(random() * 3),
      surplusTokens: random() < 0.3 ? Math.round(random() * 3_000) : 0,
    };
    this.#accounts =
      random() < 0.5
        ? { metering: "none", limits: nothingLimited }
        : {
            metering: random() < 0.5 ? "openai" : "anthropic",
            limits: {
              ...nothingLimited,
              rpm: 1 + Math.floor(random() * 60),
              tpm: random() < 0.5 ? undefined : 1_000 + Math.floor(random() * 200_000),
              concurrency: random() < 0.5 ? undefined : 1 + Math.floor(random() * 3),
            },
          };
    const isCalm = random() < 0.15;
    const count = isCalm ? 0 : 1 + Math.floor(random() * 5);
    this.#fates = Array.from({ length: count }, () => ({
      atStep: 1 + Math.floor(random() ** 2 * 900),
      kind: fateKinds[Math.floor(random() * fateKinds.length)] ?? "crash",
    })).sort((left, right) => left.atStep - right.atStep);
  }

  async run(): Promise<Report> {
    const count = !this.#isCrowd && this.#random() < 0.35 ? 2 : 1;
    for (let index = 0; index < count; index++) await this.#create(index);
    await this.#start();
    for (let turn = 0; ; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#laws.broken.length > 0 || this.#faults.length > 0) break;
      if (this.#life.isSpinning) this.#faults.push("the process spins without time passing");
      else if (turn > turnsMax) this.#faults.push(`no end after ${turnsMax} turns`);
      else if (this.#life.isOver) await this.#start();
      else if (this.#open.size === 0 && !this.#isStopping) break;
      else if (!this.#clock.advance() && !this.#isStopping) this.#faults.push("everything waits for nothing");
    }
    const life = this.#life;
    if (this.#laws.broken.length + this.#faults.length === 0) {
      await this.#laws.atRest();
      this.#emptied();
    }
    const ends = await Promise.all(this.#tasks.map(({ id }) => this.#endOf(id)));
    life.end();
    const { broken, story } = this.#laws;
    return {
      seed: this.#seed,
      broken: [...broken, ...this.#faults],
      story,
      ends,
      struck: this.#struck,
      virtualMs: this.#clock.now() - startAt,
    };
  }

  /** Nothing is out any more, so nothing is reserved of any account. */
  #emptied(): void {
    for (const capacity of this.#capacities) {
      if (capacity.waiting > 0) this.#faults.push("a call waits for a place and nobody wants it any more");
      for (const { name, leases } of capacity.tanks().values())
        if (leases.length > 0) this.#faults.push(`${leases.length} leases of ${name} were never given back`);
    }
  }

  async #endOf(id: GoalId): Promise<string> {
    return (await this.#laws.store.view.goal(id))?.end?.outcome ?? "open";
  }

  #born(): Life {
    return new Life((life) => this.#step(life));
  }

  /** A new process over what is durable: first it frees what the dead one held. */
  async #start(): Promise<void> {
    this.#life = this.#born();
    // The dead one's can be stopped no more.
    this.#foreman = undefined;
    this.#isStopping = false;
    const life = this.#life;
    await this.#laws.store.leases.reap("everyone");
    // What a person does after a kill; a command that waited for the goal as a guest goes on without it.
    if (this.#isCloneLost || this.#random() < 0.5) await this.#resumeOpen();
    this.#isCloneLost = false;
    const foreman = startForeman(this.#tools(life), this.#profile.workersMax);
    this.#foreman = foreman;
    for (const id of [...this.#open]) this.#follow(id, foreman, life);
  }

  async #resumeOpen(): Promise<void> {
    const tools = { store: this.#laws.store, repositories: this.#repositories, clock: this.#clock };
    for (const id of this.#open) {
      const goal = await this.#laws.store.view.goal(id);
      if (goal === undefined || goal.end !== undefined) continue;
      const { events } = await resumption(goal, sameBounds, tools);
      await this.#laws.store.log.append(events, { kind: "none" });
    }
  }

  #follow(id: GoalId, foreman: Foreman, life: Life): void {
    foreman.run(id).then(
      (end) => (life.isOver ? undefined : this.#ended(id, end)),
      (error: unknown) => (life.isOver ? undefined : this.#failed(id, error)),
    );
  }

  async #failed(id: GoalId, error: unknown): Promise<void> {
    if (error instanceof Interrupted) return;
    if (!(error instanceof VerifierError)) {
      this.#faults.push(`goal ${id} failed: ${error instanceof Error ? error.stack : String(error)}`);
      return;
    }
    const end = (await this.#laws.store.view.goal(id))?.end;
    if (this.#life.isOver) return;
    if (end === undefined) this.#faults.push(`goal ${id} failed and nobody who follows it learns of it`);
    else await this.#ended(id, end, "asked for again");
    // In a new process, or in this one, which lives on.
    if (this.#random() < 0.5) this.#life.end();
  }

  /** Somebody may say `goal resume`, and does where they asked for it before. */
  async #ended(id: GoalId, end: GoalEnd, wish: "perhaps" | "asked for again" = "perhaps"): Promise<void> {
    const task = this.#tasks.find((each) => each.id === id);
    if (end.outcome === "needs-answer" && this.#random() < 0.6) return this.#answer(id);
    const isLeft = wish === "perhaps" && task?.resumesLeft === 0;
    if (end.outcome === "delivered" || task === undefined || isLeft) {
      this.#open.delete(id);
      return;
    }
    if (wish === "perhaps") task.resumesLeft -= 1;
    const goal = await this.#laws.store.view.goal(id);
    if (goal === undefined || this.#life.isOver) return;
    const { tokensMax } = goal.order.budget;
    const isRaised = tokensMax !== undefined && this.#random() < 0.5;
    const raised = { ...sameBounds, tokensMax: isRaised ? 2 * tokensMax : undefined };
    const tools = { store: this.#laws.store, repositories: this.#repositories, clock: this.#clock };
    const { events } = await resumption(goal, raised, tools);
    if (this.#life.isOver) return;
    await this.#laws.store.log.append(events, { kind: "none" });
    if (this.#foreman !== undefined) this.#follow(id, this.#foreman, this.#life);
  }

  /** Somebody says yes or no to the question. */
  async #answer(id: GoalId): Promise<void> {
    const word = this.#random() < 0.6 ? "yes" : "no";
    const tools = { store: this.#laws.store, repositories: this.#repositories };
    const goal = await tools.store.view.goal(id);
    const [bead] = await tools.store.view.beads({ goal: id, state: "needs-answer", countMax: 1 });
    if (goal === undefined || bead?.state.kind !== "needs-answer" || this.#life.isOver) return;
    const answered = await answering(goal, { word, question: bead.state.question }, tools);
    if (this.#life.isOver) return;
    if (answered.kind === "refused")
      this.#faults.push(`an answer to what is asked is taken: ${answered.why}`);
    else await this.#laws.store.log.append(answered.events, { kind: "none" });
    if (this.#foreman !== undefined) this.#follow(id, this.#foreman, this.#life);
  }

  async #create(index: number): Promise<void> {
    const random = this.#random;
    const id = goalId(random);
    const top = `/user/${id}`;
    const had = ["f1", "f2"];
    const wanted = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, place) => `w${index}${place}`);
    const parts = this.#isCrowd ? crowdOf() : random() < 0.6 ? this.#parts(index) : [];
    const isTested = this.#isCrowd || random() < 0.75;
    const all = [...wanted, ...parts.flatMap((part) => part.wanted)];
    const base = this.#repositories.create(top, {
      "readme.md": "# toy\n",
      "src/facts.txt": `${had.join("\n")}\n`,
      // Without a check a model is asked for tests, in a language that has a runner.
      ...(isTested ? { "tests/want.txt": `${all.join("\n")}\n` } : { "package.json": "{}\n" }),
      ...Object.fromEntries(parts.map(({ name, wanted }) => [`tests/${name}.txt`, this.#testOf(wanted)])),
      "tests/keep.txt": `${had.join("\n")}\n`,
    });
    const isBroken = random() < 0.03;
    const check = (name: string, role: Check["role"], command: string): Check => ({
      ...{ name, role, command },
      ...{ cwd: ".", timeoutMs: 600_000, report: { kind: "recognise" } },
    });
    const acceptance = check("acceptance-1", "acceptance", isBroken ? "missing" : "ask tests/want.txt");
    const checks = [...(isTested ? [acceptance] : []), check("guard-1", "guard", "ask tests/keep.txt")];
    const event: NewEvent = {
      type: "goal-created",
      goal: id,
      order: {
        ...{ text: `Add the facts ${wanted.join(" ")}`, repository: top, base, checks },
        ...{ protect: [], allowChange: [], allowDependencies: false, setup: undefined },
        providers: random() < 0.5 ? ["one"] : ["one", "two"],
        ...{ budget: this.#budget(), strategy: "balanced", author: "Ada Example <ada@example.org>" },
        ...{ unsafeNoSandbox: false, acceptance: isTested ? "user" : "model", begins: "at-once" },
        keepRevisions: random() < 0.3,
        priority: 2,
        workersMax: this.#isCrowd ? crowdMax : 1 + Math.floor(random() * 3),
        mode:
          parts.length === 0
            ? { kind: "solo", why: "a test" }
            : { kind: "fleet", why: "a test", plan: this.#planFor(parts), lines: undefined },
      },
    };
    this.#tasks.push({ id, had, wanted, parts, resumesLeft: random() < 0.4 ? 2 : 0 });
    this.#open.add(id);
    await this.#laws.store.log.append([event], { kind: "none" });
  }

  /** A person's; or none, and a planner is asked, whose beads never share a file. */
  #planFor(parts: readonly Part[]): Plan | undefined {
    const plan = planOf(parts, this.#random() < 0.5);
    const isPlanned = parts.every(({ path }) => path !== sharedPath) && this.#random() < 0.5;
    return isPlanned && !this.#isCrowd ? undefined : plan;
  }

  /** Two to five, each needing some of those before it. */
  #parts(index: number): readonly Part[] {
    const random = this.#random;
    const names = Array.from({ length: 2 + Math.floor(random() * 4) }, (_, place) => `part${index}${place}`);
    const meets = random() < 0.5 ? 0.8 : 0;
    return names.map((name, place) => {
      const path = random() < meets ? sharedPath : `src/${name}.txt`;
      const wanted = Array.from({ length: 1 + Math.floor(random() * 2) }, (_, fact) => `${name}x${fact}`);
      const dependsOn = names.slice(0, place).filter(() => random() < 0.3);
      return {
        name,
        path,
        wanted,
        dependsOn,
        below: undefined,
        intent: `Write ${wanted.join(" and ")} into ${path}`,
      };
    });
  }

  /** Some tests do not bear what another part may bring: each proof holds alone, and together they do not. */
  #testOf(wanted: readonly string[]): string {
    return [...wanted, ...(this.#random() < 0.4 ? ["!clash"] : []), ""].join("\n");
  }

  #budget(): Budget {
    const random = this.#random;
    if (this.#isCrowd) return { ...unbounded, tokensMax: Math.round(5_000 + random() * 40_000) };
    return {
      tokensMax: random() < 0.3 ? Math.round(1_000 + random() * 12_000) : undefined,
      usdMax: random() < 0.2 ? Math.round(random() * 100) / 1_000 : undefined,
      wallMsMax: random() < 0.3 ? Math.round(random() ** 3 * 3_600_000) : undefined,
      wallFrom: undefined,
    };
  }

  #isDone(goal: Goal, { id, contract }: Bead, commit: Commit): boolean {
    const task = this.#tasks.find((each) => each.id === goal.id);
    if (task === undefined) return false;
    const [files, base] = [commit, groundOf(goal)].map((each) => this.#repositories.filesOf(each)) as [
      Files,
      Files,
    ];
    if (id !== beadId(goal.id, 1)) {
      const part = task.parts.find(({ intent }) => intent === contract.intent);
      return part !== undefined && isTrue(files, base, [...task.had, ...part.wanted]);
    }
    if (task.parts.length === 0 && !this.#standsOn(goal, commit, groundOf(goal))) return false;
    if (goal.order.acceptance === "user")
      return isTrue(files, base, [
        ...task.had,
        ...task.wanted,
        ...task.parts.flatMap(({ wanted }) => wanted),
      ]);
    // What tests by a model do not ask for is not promised; without any, guards alone hold it.
    const suite = goal.tests === undefined ? undefined : base.get(suitePath);
    return suite === undefined || isTrue(files, base, [...task.had, ...linesOf(suite)]);
  }

  #isFrozen({ tests }: Goal, commit: Commit): boolean {
    if (tests === undefined) return true;
    const suite = this.#repositories.filesOf(tests).get(suitePath);
    return suite !== undefined && this.#repositories.filesOf(commit).get(suitePath) === suite;
  }

  #standsOn({ order }: Goal, commit: Commit, other: Commit): boolean {
    const { parentOf } = this.#repositories;
    if (!order.keepRevisions) return commit === other || parentOf(commit) === other;
    for (let at: Commit | undefined = commit; at !== undefined; at = parentOf(at))
      if (at === other) return true;
    return false;
  }

  #isKept(commit: Commit, by: Commit): boolean {
    const parent = this.#repositories.parentOf(commit);
    const [was, is, now] = [parent, commit, by].map((each) =>
      each === undefined ? new Map<string, string>() : this.#repositories.filesOf(each),
    );
    const paths = new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])]);
    const linesIn = (files: ReadonlyMap<string, string> | undefined, path: string) =>
      (files?.get(path) ?? "").split("\n");
    return [...paths].every((path) => {
      if (was?.get(path) === is?.get(path) || is?.get(path) === now?.get(path)) return true;
      // Others write there too: every fact of a part that it brought still stands.
      const facts = linesIn(is, path).filter((line) => /^part\d+x/.test(line));
      const [had, has] = [linesIn(was, path), linesIn(now, path)];
      return path === sharedPath && facts.every((fact) => had.includes(fact) || has.includes(fact));
    });
  }

  /** Of nobody's text in the simulation is a marker a part. */
  #isUnmarked(commit: Commit): boolean {
    return [...this.#repositories.filesOf(commit).values()].every((text) => !/^[<>]{7}/m.test(text));
  }

  #tools(life: Life): Tools {
    const random = this.#random;
    const capacity = this.#capacity(life);
    const environments = mortal(toyEnvironments, life);
    const verifier = mortal(this.#verifier(), life);
    return {
      store: mortal(this.#laws.store, life),
      clock: mortal(this.#clock, life),
      repositories: mortalRepositories(this.#repositories, life),
      enclosure: async () => ({ environments, verifier }),
      offer: async (name) => ({
        kind: "model",
        source: name,
        model: mortal(this.#model(name), life),
        contextTokensMax: 32_000,
        outputTokensMax: 2_000,
        stance: undefined,
      }),
      capacity,
      secrets: [secret],
      signer,
      evidence: mortal({ write: async (goal: GoalId, name: string) => `/evidence/${goal}/${name}` }, life),
      policy: { ...defaultPolicy, callsMax: 4 + Math.floor(random() * 10) },
      contextTokensMax: 12_000,
      size: roughSize,
      readPlan,
      readSuite: async () => undefined,
      polecat: `p@${++this.#lives}` as PolecatId,
      leaseMs,
      watch: () => undefined,
    };
  }

  /** Tanks of this life's process: some without a limit, some that make workers wait for each other. */
  #capacity(life: Life): Capacity {
    const capacity = new Capacity({
      ...{ clock: mortal(this.#clock, life), random: this.#random },
      ...{ callMsMax: 700_000, patienceMs: 30_000, estimates: new Estimates() },
      patience: () => ({ baseMs: 1_000, maxMs: 60_000 }),
      read: () => [],
      changed: () => undefined,
    });
    for (const provider of ["one", "two"])
      capacity.offer({
        ...{ provider, account: { account: `simulated ${provider}`, model: "model" } },
        ...{ ...this.#accounts, dayEndsAt: undefined },
      });
    this.#capacities = [capacity];
    return capacity;
  }

  #model(provider: string): Model {
    const taskOf = (prompt: Prompt) => {
      const all = prompt.system + prompt.messages.map(({ text }) => text).join("\n");
      const task = this.#tasks.find(({ wanted }) => all.includes(`Add the facts ${wanted.join(" ")}`));
      if (task === undefined) throw new Error("a prompt holds the goal's text");
      // Its own assignment stands before whatever is said of others'.
      const [part] = task.parts
        .filter(({ intent }) => all.includes(intent))
        .toSorted((left, right) => all.indexOf(left.intent) - all.indexOf(right.intent));
      // What it adds may hold alone and contradict what another part's test asks.
      const more = this.#random() < 0.2 ? ["clash"] : [];
      if (part !== undefined) {
        const others = task.parts.filter((each) => each !== part).flatMap(({ wanted }) => wanted);
        const had =
          part.path === sharedPath ? factsShown(prompt).filter((fact) => others.includes(fact)) : [];
        return { task, path: part.path, had, wanted: [...part.wanted, ...more] };
      }
      const wanted = [...task.wanted, ...task.parts.flatMap((each) => each.wanted)];
      return { task, path: "src/facts.txt", had: task.had, wanted };
    };
    let asked: Task | undefined;
    const options = {
      ...{ provider, clock: this.#clock, random: this.#random, secret, ...this.#profile },
      knowledge: (prompt: Prompt) => {
        const known = taskOf(prompt);
        asked = known.task;
        return known;
      },
      paid: (tokens: number) => {
        if (asked !== undefined) this.#laws.paid(asked.id, tokens);
      },
    };
    const coder = noisyModel(options);
    return {
      ...coder,
      ask: (prompt, signal, onText) => {
        // Who is asked for tests or a plan may answer as a coder does.
        if (prompt.role === "coder" || this.#random() < 0.2) return coder.ask(prompt, signal, onText);
        const { task } = options.knowledge(prompt);
        const text = prompt.role === "planner" ? this.#plan(task, prompt) : this.#suite(task);
        return noisyModel({ ...options, fixed: { text, finish: "stop" } }).ask(prompt, signal, onText);
      },
    };
  }

  /** Tests of all that is wanted, of a part of it, or that show nothing. */
  #suite({ had, wanted, parts }: Task): string {
    const all = [...wanted, ...parts.flatMap((part) => part.wanted)];
    const luck = this.#random();
    const asked = luck < 0.6 ? all : luck < 0.8 ? all.slice(0, Math.ceil(all.length / 2)) : had;
    return `${suitePath}\n\`\`\`\n${asked.join("\n")}\n\`\`\`\n`;
  }

  /** Of all parts; or, asked again, of those that are told of as left, one after the other. */
  #plan({ parts }: Task, { messages }: Prompt): string {
    const said = messages.map(({ text }) => text).join("\n");
    const left = parts.filter(({ intent }) => said.includes(intent));
    const one = (part: Part, at: number): Part => ({
      ...{ ...part, dependsOn: left.slice(Math.max(0, at - 1), at).map(({ name }) => name) },
    });
    const { beads } = planOf(left.length > 0 ? left.map(one) : parts, false);
    return `\`\`\`json\n${JSON.stringify({ beads })}\n\`\`\`\n`;
  }

  #verifier(): Verifier {
    const inner = toyVerifier(this.#repositories, this.#clock, () => this.#cuts > 0 && this.#cuts-- > 0);
    const dies = () => {
      if (this.#losses > 0 && this.#losses-- > 0) return Promise.reject(new VerifierLost("it was killed"));
      const isFailing = this.#isFailing;
      this.#isFailing = false;
      return isFailing ? Promise.reject(new VerifierError("the disk is full")) : undefined;
    };
    return {
      isolation: inner.isolation,
      run: (trial, signal) => dies() ?? inner.run(trial, signal),
      prove: (trial, signal, first) => dies() ?? inner.prove(trial, signal, first),
    };
  }

  #step(life: Life): void {
    if (life !== this.#life) return;
    this.#steps += 1;
    const next = this.#fates[0];
    if (next === undefined || this.#steps < next.atStep) return;
    this.#fates.shift();
    this.#struck.push(next.kind);
    this.#laws.disturbed();
    this.#strike(next.kind);
  }

  #strike(kind: Fate["kind"]): void {
    switch (kind) {
      case "crash":
        this.#life.end();
        return;
      case "stop":
        this.#stop();
        return;
      case "cancel":
        void this.#cancel();
        return;
      case "sleep":
        this.#laws.slept();
        this.#clock.jump(leaseMs * 5);
        return;
      case "rival":
        // Somebody else took the bead while this machine slept, and was never heard of again.
        this.#laws.slept();
        this.#clock.jump(leaseMs * 2);
        void this.#takeAway();
        return;
      case "verifier":
        this.#losses = 1;
        return;
      case "verifier thrice":
        this.#losses = 3;
        return;
      case "verifier failing":
        this.#isFailing = true;
        return;
      case "jail":
        this.#cuts = 1;
        return;
      case "jail twice":
        this.#cuts = 2;
        return;
      case "clone":
        this.#repositories.lose();
        this.#isCloneLost = true;
        this.#life.end();
        return;
    }
  }

  async #takeAway(): Promise<void> {
    const { store } = this.#laws;
    await store.leases.reap("expired");
    const goal = await this.#someGoal();
    if (goal !== undefined)
      await store.leases.claim({ by: `${stranger}0` as PolecatId, leaseMs, goal: goal.id });
  }

  async #cancel(): Promise<void> {
    const goal = await this.#someGoal();
    if (goal === undefined) return;
    const asked: NewEvent = { type: "goal-cancel-asked", goal: goal.id };
    const guard = { kind: "unchanged", goal: goal.id, version: goal.version } as const;
    await this.#laws.store.log.append([asked], guard);
    this.#foreman?.ring();
  }

  /** One that goes on. */
  async #someGoal(): Promise<Goal | undefined> {
    for (const id of this.#open) {
      const goal = await this.#laws.store.view.goal(id);
      if (goal !== undefined && goal.end === undefined) return goal;
    }
    return undefined;
  }

  #stop(): void {
    const [life, foreman] = [this.#life, this.#foreman];
    if (foreman === undefined || this.#isStopping) return;
    this.#isStopping = true;
    // Not from within a call of its own.
    queueMicrotask(async () => {
      await foreman.stop();
      if (life.isOver) return;
      const held = await Promise.all(
        (["claimed", "proving"] as const).map((state) =>
          this.#laws.store.view.beads({ state, countMax: 100 }),
        ),
      );
      const own = held.flat().filter(({ state }) => "by" in state && !state.by.startsWith(stranger));
      if (own.some((bead) => this.#laws.isHeldNow(bead.id)))
        this.#faults.push("a foreman that was stopped gave its beads back");
      life.end();
    });
  }
}

/** What the file that several parts write holds, as the prompt showed it last. */
function factsShown({ messages }: Prompt): readonly string[] {
  const said = messages.filter(({ from }) => from === "user").map(({ text }) => text);
  const blocks = said.join("\n").split(`${sharedPath}\n\`\`\``);
  return blocks.length < 2 ? [] : ((blocks.at(-1) ?? "").split("\n```", 1)[0] ?? "").split("\n");
}

function mortalRepositories(repositories: MemoryRepositories, life: Life): Tools["repositories"] {
  const outer = mortal(repositories, life);
  return {
    survey: (folder) => outer.survey(folder),
    snapshot: (top) => outer.snapshot(top),
    open: async (top, commit) => mortal(await outer.open(top, commit), life),
  };
}

function areaOf(path: string): { readonly owns: readonly string[]; readonly shares: readonly string[] } {
  return path === sharedPath ? { owns: [], shares: [path] } : { owns: [path], shares: [] };
}

/** What the whole needs beside its parts it does itself, in its own turn. */
function planOf(parts: readonly Part[], hasSkeleton: boolean): Plan {
  const beads = (of: string | undefined): Plan["beads"] =>
    parts
      .filter(({ below }) => below === of)
      .map(({ name, path, dependsOn, intent }) => ({
        ...{ name, intent, ...areaOf(path), reads: [], exports: [], behaviours: [], dependsOn },
        ...{
          checks: [`ask tests/${name}.txt`],
          tokens: { low: 1, high: 2 },
          budget: undefined,
          beads: beads(name),
        },
      }));
  return { skeleton: hasSkeleton ? { "src/shared.txt": "shared\n" } : {}, beads: beads(undefined) };
}

/** Five parts of four parts each, in the order of their numbers. */
function crowdOf(): readonly Part[] {
  const part = (name: string, below: string | undefined): Part => ({
    ...{ name, below, path: `src/${name}.txt`, wanted: [`${name}x0`], dependsOn: [] },
    intent: `Write ${name}x0 into src/${name}.txt`,
  });
  return ["a", "b", "c", "d", "e"].flatMap((group) => [
    part(`part${group}`, undefined),
    ...Array.from({ length: crowdMax / 5 }, (_, place) => part(`part${group}${place}`, `part${group}`)),
  ]);
}

/** Signs as a name does: enough to see which bytes were signed. */
const signer: Signer = {
  keyId: "toy",
  publicKey: "toy",
  sign: (payload, payloadType) => ({
    payloadType,
    payload: Buffer.from(payload).toString("base64"),
    signatures: [{ keyid: "toy", sig: createHash("sha256").update(payload).digest("base64") }],
  }),
  verify: ({ payload, signatures }) =>
    signatures[0]?.sig === createHash("sha256").update(Buffer.from(payload, "base64")).digest("base64"),
};
