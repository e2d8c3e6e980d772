/** The edges against our own simulator: another author's reading of the same wires. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Fault } from "../../domain/reply.ts";
import {
  caseNow,
  casePrompt,
  caseText,
  modelCases,
  type OpenedCase,
  type Scenario,
} from "../../ports/model.case.ts";
import type { Model } from "../../ports/model.ts";
import { Secret } from "../config/secret.ts";
import { readScenario, type ScenarioAction } from "../simulator/scenario.ts";
import { type Simulator, startSimulator } from "../simulator/server.ts";
import { anthropicModel } from "./anthropic.ts";
import { geminiModel } from "./gemini.ts";
import { ollamaModel } from "./ollama.ts";
import { compatibleModel } from "./openai.ts";
import { tritonModel } from "./triton.ts";
import type { WireSettings } from "./wire.ts";

const wires = ["openai", "anthropic", "gemini", "ollama", "triton"] as const;
type Wire = (typeof wires)[number];
const makers: Record<Wire, (settings: WireSettings) => Model> = {
  ...{ openai: compatibleModel, anthropic: anthropicModel, gemini: geminiModel },
  ollama: (given) => ollamaModel({ ...given, contextTokens: 128_000 }),
  triton: tritonModel,
};
const paths: Record<Wire, string> = {
  ...{ openai: "/v1", anthropic: "/v1", gemini: "/v1beta" },
  ...{ ollama: "", triton: "" },
};
const clock = { now: () => caseNow, sleep: () => Promise.resolve() };

const actions: Readonly<Record<Fault["kind"], ScenarioAction>> = {
  throttle: { kind: "fault", fault: "rate-limit", retryAfterSeconds: 7 },
  window: { kind: "fault", fault: "rate-limit", retryAfterSeconds: 9000 },
  capacity: { kind: "fault", fault: "overloaded" },
  billing: { kind: "fault", fault: "billing" },
  auth: { kind: "fault", fault: "unauthorized" },
  request: { kind: "fault", fault: "bad-request" },
  "too-large": { kind: "fault", fault: "too-large" },
};

function actionOf(scenario: Scenario): ScenarioAction {
  switch (scenario.kind) {
    case "said":
      return { kind: "say", text: caseText, finish: scenario.finish };
    case "fault":
      return actions[scenario.fault];
    case "hang":
      return { kind: "hang" };
    case "lying":
      throw new Error("declared as a gap");
  }
}

async function simulate(action: ScenarioAction): Promise<Simulator> {
  const read = readScenario(JSON.stringify({ models: { "case-model": "median" }, rules: [{ do: action }] }));
  if (read.kind === "refused") throw new Error(read.why);
  return await startSimulator({ scenario: read.scenario, clock, tokensPerSecond: 1000 });
}

function settings(simulator: Simulator, wire: Wire): WireSettings {
  return {
    provider: "simulated",
    name: "case-model",
    price: undefined,
    baseUrl: `${simulator.url}${paths[wire]}`,
    key: new Secret("sk-simulated-key"),
    keyName: "KEY",
    timeoutMs: 60_000,
    answerBytesMax: 1_000_000,
    now: () => caseNow,
  };
}

async function arrival(simulator: Simulator): Promise<void> {
  while (simulator.requests().total === 0) await turn();
}

/** Ollama and Triton name no moment in a refusal, and know neither quotas nor refused prompts; Triton no end either. */
const wordy = wires.filter((wire) => wire !== "ollama" && wire !== "triton");

for (const wire of wordy) {
  const open = async (scenario: Scenario): Promise<OpenedCase> => {
    const simulator = await simulate(actionOf(scenario));
    return {
      model: makers[wire](settings(simulator, wire)),
      requests: () => simulator.requests().total,
      get asked() {
        return arrival(simulator);
      },
      closed: Promise.resolve(),
      [Symbol.asyncDispose]: () => simulator.close(),
    };
  };
  modelCases(`the ${wire} edge at the simulator`, open, {
    headers: "its request ids are its own; the limits are looked at below",
    refused: undefined,
    lying: "the simulator counts right",
    usage: "the simulator counts by itself",
  });
}

test.each(["stop", "length"] as const)("Ollama's wire says how an answer ended (%s)", async (finish) => {
  for (const onText of [undefined, () => undefined]) {
    const simulator = await simulate({ kind: "say", text: caseText, finish });
    const model = makers.ollama(settings(simulator, "ollama"));
    const reply = await model.ask(casePrompt, AbortSignal.timeout(9000), onText);
    expect(reply).toMatchObject({ kind: "said", text: caseText, finish });
    expect(reply.usage.input).toBeGreaterThan(0);
    expect(reply.usage.output).toBeGreaterThan(0);
    await simulator.close();
  }
});

test.each(wires)("knows every further failure of the simulator (%s)", async (wire) => {
  const check = async (action: ScenarioAction, kind: Fault["kind"]) => {
    for (const onText of [undefined, () => undefined]) {
      const simulator = await simulate(action);
      const reply = await makers[wire](settings(simulator, wire)).ask(
        casePrompt,
        AbortSignal.timeout(9000),
        onText,
      );
      expect([action, reply.kind === "failed" && reply.fault.kind]).toEqual([action, kind]);
      expect(simulator.requests().total).toBe(1);
      await simulator.close();
    }
  };
  await check({ kind: "fault", fault: "rate-limit-bare" }, "throttle");
  await check({ kind: "fault", fault: "server-error" }, "capacity");
  await check({ kind: "fault", fault: "not-found" }, "request");
  await check({ kind: "fault", fault: "body-too-large" }, "too-large");
  await check({ kind: "cut", afterCharacters: 3 }, "capacity");
});

test.each(wordy)("a quota that waiting does not mend is no throttle (%s)", async (wire) => {
  const simulator = await simulate({ kind: "fault", fault: "quota" });
  const reply = await makers[wire](settings(simulator, wire)).ask(casePrompt, AbortSignal.timeout(9000));
  expect(["billing", "window"]).toContain(reply.kind === "failed" && reply.fault.kind);
  await simulator.close();
});

test.each(["openai", "anthropic"] as const)(
  "the limits of the simulated account arrive (%s)",
  async (wire) => {
    const simulator = await simulate({ kind: "say", text: "x", finish: "stop" });
    const { headers } = await makers[wire](settings(simulator, wire)).ask(
      casePrompt,
      AbortSignal.timeout(9000),
    );
    const name =
      wire === "openai" ? "x-ratelimit-remaining-requests" : "anthropic-ratelimit-requests-remaining";
    expect(Number(headers[name])).toBeGreaterThan(0);
    await simulator.close();
  },
);
