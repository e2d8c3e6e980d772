/** Commands about the foreman as a process of its own. */
import type { AtWork, House, Terminal } from "../house.ts";
import { exits } from "./exit.ts";
import { clockTime, duration, firstLine } from "./sentences.ts";
import { linesOf } from "./standing.ts";
import { shortBead, wordsOf } from "./tree.ts";
import { cut } from "./width.ts";

interface Format {
  readonly json?: boolean;
}

export async function keepHome(
  options: Format & { readonly workers?: number; readonly log?: string },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const say = (line: string) =>
    terminal.out(options.json ? JSON.stringify({ type: "foreman-said", at: house.clock.now(), line }) : line);
  await house.keep({ workersMax: options.workers, log: options.log }, say, signal);
  return exits.done;
}

export async function startForeman(
  options: Format,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { process } = await house.startForeman(signal);
  terminal.out(
    options.json
      ? JSON.stringify({ process, log: house.foremanLog })
      : `the foreman works in the background: process ${process}, log ${house.foremanLog}`,
  );
  return exits.done;
}

export async function stopForeman(
  options: Format,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const before = await house.atWork();
  if (before.kind !== "nobody") await house.stopForeman(signal);
  const process = before.kind === "process" ? before.process : null;
  if (options.json) terminal.out(JSON.stringify({ process, stopped: before.kind !== "nobody" }));
  else if (before.kind === "nobody") terminal.out("no foreman runs here");
  else
    terminal.out(
      "the foreman has stopped; what is open goes on with: rigs foreman start, or rigs goal resume ID",
    );
  return exits.done;
}

/** Beads named below each goal. */
const beadsMax = 10;

export async function foremanStatus(options: Format, house: House, terminal: Terminal): Promise<number> {
  const atWork = await house.atWork();
  const goals = await workOf(atWork, house);
  if (options.json) {
    const { kind, ...rest } = atWork;
    terminal.out(JSON.stringify({ running: kind === "process", ...rest, goals }));
    return exits.done;
  }
  terminal.out(whoWords(atWork, house.clock.now()));
  const line = (text: string) => terminal.out(cut(text, terminal.columns("out")));
  const inLine = linesOf(atWork, house.clock.now());
  for (const { goal, text, beads } of goals) {
    line(`  ${goal}  ${text}`);
    for (const { bead, id, state, intent } of beads.slice(0, beadsMax))
      line(`    ${bead}  ${inLine.get(id) ?? state}  ${intent}`);
    if (beads.length > beadsMax) line(`    and ${beads.length - beadsMax} more`);
  }
  if (atWork.kind === "process" && goals.length === 0) terminal.out("  no goal is at work");
  return exits.done;
}

/** Who keeps the home, in words. */
export function whoWords(atWork: AtWork, now: number): string {
  switch (atWork.kind) {
    case "nobody":
      return "no foreman runs here; start one with: rigs foreman start";
    case "silent":
      return "a process owns this home and does not answer: look again in a moment";
    default: {
      const who = atWork.role === "foreman" ? "the foreman" : "a command that works on its goal";
      const since = `since ${clockTime(atWork.since)} (${duration(Math.max(0, now - atWork.since))})`;
      return `${who}: process ${atWork.process} ${since}`;
    }
  }
}

async function workOf(atWork: AtWork, house: House) {
  if (atWork.kind !== "process" || atWork.goals.length === 0) return [];
  const reader = await house.reader();
  try {
    const works = [];
    for (const id of atWork.goals) {
      const goal = await reader?.view.goal(id);
      const beads = [];
      for (const state of ["claimed", "proving", "integrating"] as const)
        beads.push(...((await reader?.view.beads({ goal: id, state, countMax: 100 })) ?? []));
      works.push({
        goal: id,
        text: firstLine(goal?.order.text ?? ""),
        beads: beads.map(({ id: bead, state, contract }) => ({
          bead: shortBead(bead),
          id: bead,
          state: state.kind,
          intent: wordsOf(contract),
        })),
      });
    }
    return works;
  } finally {
    await reader?.close();
  }
}
