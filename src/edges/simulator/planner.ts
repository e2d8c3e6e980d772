import type { Finish } from "../../domain/reply.ts";
import { unreachable } from "../../kit/assert.ts";
import type { Random } from "../../kit/random.ts";
import type { Asked } from "./conversation.ts";
import { blocksOf, isSolved, isTestPath, sightingsIn } from "./file.ts";
import type { Behaviour } from "./profile.ts";
import type { TaskSet } from "./taskset.ts";

/**
 * Faults in a plan with their rates at the first answer, which a model's envelope factor scales; guesses, for want of a
 * measurement. A complaint about the last plan leaves a third of each. Words around the plan are harmless.
 */
export const planFaultRates = {
  circle: 0.08,
  overlap: 0.08,
  "unknown-file": 0.08,
  "no-json": 0.06,
  prose: 0.3,
} as const;

export type PlanningFault = keyof typeof planFaultRates;

interface Bead {
  readonly name: string;
  readonly intent: string;
  readonly owns: readonly string[];
  readonly reads: readonly string[];
  readonly dependsOn: readonly string[];
  readonly checks: readonly string[];
  readonly tokens: { readonly low: number; readonly high: number };
}

export interface PlannerLetter {
  readonly text: string;
  readonly finish: Finish;
  readonly faults: readonly PlanningFault[];
}

/** Whether a request asks for a plan. */
export function asksForPlan({ system }: Pick<Asked, "system">): boolean {
  return /^Role: planner\s*$/m.test(system.split("\n", 1)[0] ?? "");
}

/**
 * A plan with a bead for each file that holds tasks which are known and not yet solved, each with its own test file
 * where the request names one. Garbage is not spoken here: its profile does that before.
 */
export function planLetter(
  asked: Asked,
  taskSet: TaskSet,
  behaviour: Behaviour,
  random: Random,
): PlannerLetter {
  const said = asked.messages.filter(({ from }) => from === "user").map(({ text }) => text);
  const beads = beadsFor(said, taskSet);
  const isMending = asked.messages.some(({ from }) => from === "model");
  const faults = faultsOf(behaviour, isMending ? 1 / 3 : 1, random);
  const finish = "stop";
  if (beads.length === 0 || behaviour.kind === "malformed" || faults.has("no-json"))
    return { text: `${talk}\n`, finish, faults: [...faults] };
  const json = `\`\`\`json\n${JSON.stringify({ beads: spoiled(beads, faults) }, undefined, 2)}\n\`\`\`\n`;
  const text = faults.has("prose") ? `${talk}\n\n${json}\nTell me if you want it finer.\n` : json;
  return { text, finish, faults: [...faults] };
}

const talk =
  "The modules are independent of each other, so each can be written on its own before they are joined.";

function faultsOf(behaviour: Behaviour, share: number, random: Random): ReadonlySet<PlanningFault> {
  const faults = new Set<PlanningFault>();
  const factor = behaviour.kind === "noisy" ? behaviour.envelope * share : 0;
  for (const [fault, rate] of Object.entries(planFaultRates) as [PlanningFault, number][])
    if (random() < rate * factor) faults.add(fault);
  return faults;
}

function beadsFor(said: readonly string[], taskSet: TaskSet): readonly Bead[] {
  const open = sightingsIn(taskSet, said).filter(({ task, fileText }) => !isSolved(fileText, task));
  const tests = testPathsIn(said);
  return [...Map.groupBy(open, ({ path }) => path)].map(([path, seen]) => {
    const names = seen.map(({ task }) => task.entryPoint);
    const stem = stemOf(path);
    const test = tests.find((each) => each.includes(stem) || names.some((name) => each.includes(name)));
    const whole = tests[0] === undefined ? "python3 -m pytest -q" : `python3 -m pytest -q ${tests[0]}`;
    return {
      name: stem.replace(/[^A-Za-z0-9-]+/g, "-").slice(0, 40),
      intent: `Write ${names.join(" and ")} in ${path} as its docstring says.`,
      owns: [path],
      reads: test === undefined ? [] : [test],
      dependsOn: [],
      checks: [test === undefined ? whole : `python3 -m pytest -q ${test}`],
      tokens: { low: 1_000 * names.length, high: 20_000 * names.length },
    };
  });
}

/** Test files that the request names anywhere: in its list of files or above their text. */
function testPathsIn(said: readonly string[]): readonly string[] {
  const text = said.join("\n");
  const shown = said.flatMap(blocksOf).flatMap(({ path }) => path ?? []);
  const named = text.match(/[\w./-]+\.py\b/g) ?? [];
  const isTest = (path: string) => isTestPath(path) && !path.endsWith("conftest.py") && !path.includes("..");
  return [...new Set([...shown, ...named])].filter(isTest);
}

function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
}

function spoiled(beads: readonly Bead[], faults: ReadonlySet<PlanningFault>): readonly Bead[] {
  let spoilt = beads;
  const [first, second] = beads;
  for (const fault of faults)
    switch (fault) {
      case "circle":
        if (first !== undefined)
          spoilt = spoilt.map((bead, index, all) => ({
            ...bead,
            dependsOn: [all[(index + 1) % all.length]?.name ?? bead.name],
          }));
        break;
      case "overlap":
        if (first !== undefined && second !== undefined)
          spoilt = spoilt.map((bead) =>
            bead.name === second.name ? { ...bead, owns: [...bead.owns, ...first.owns] } : bead,
          );
        break;
      case "unknown-file":
        spoilt = spoilt.map((bead, index) =>
          index === 0 ? { ...bead, reads: [...bead.reads, "shared/kinds_of_it.py"] } : bead,
        );
        break;
      case "no-json":
      case "prose":
        break;
      default:
        unreachable(fault);
    }
  return spoilt;
}
