import { resolve } from "node:path";
import { profileNames } from "../edges/simulator/profile.ts";
import { loadScenario } from "../edges/simulator/scenario.ts";
import { type RequestSummary, startSimulator } from "../edges/simulator/server.ts";
import { loadTaskSet } from "../edges/simulator/taskset.ts";
import { type SimulateWish, UsageError } from "../faces/house.ts";
import { realClock } from "./inside.ts";

/** Serves simulated models on 127.0.0.1 until aborted. UsageError for a file that cannot be read and a port that is taken. */
export async function simulate(
  wish: SimulateWish,
  folder: string,
  ready: (lines: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const tasks = wish.tasks === undefined ? undefined : await loadTaskSet(resolve(folder, wish.tasks));
  if (tasks?.kind === "refused") throw new UsageError(tasks.why);
  const scenario =
    wish.scenario === undefined ? undefined : await loadScenario(resolve(folder, wish.scenario));
  if (scenario?.kind === "refused") throw new UsageError(scenario.why);
  const simulator = await startSimulator({
    port: wish.port,
    taskSet: tasks?.taskSet,
    scenario: scenario?.scenario,
    seed: wish.seed,
    firstTokenMs: wish.firstTokenMs,
    tokensPerSecond: wish.tokensPerSecond,
    clock: realClock,
  }).catch((error: Error & { code?: string }) => {
    if (error.code === "EADDRINUSE")
      throw new UsageError(`port ${wish.port} is taken: choose another --port, or 0 for any`);
    throw new UsageError(error.message);
  });
  ready([
    `simulated models at ${simulator.url}/v1 (OpenAI chat and responses, Anthropic messages); Ctrl-C ends it`,
    `also Gemini at ${simulator.url}/v1beta, Ollama at ${simulator.url}, Triton at ${simulator.url}/v2, metrics at ${simulator.url}/metrics`,
    `models: ${[...Object.keys(scenario?.scenario.models ?? {}), ...profileNames].join(", ")}`,
    `use one: rigs provider add sim --kind openai-compatible --base-url ${simulator.url}/v1 --model median`,
  ]);
  await new Promise<void>((done) => {
    if (signal.aborted) return done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
  await simulator.close();
  ready([served(simulator.requests())]);
}

/** "served 14 requests: 12 with 200, 2 with 429". */
function served({ total, byStatus }: RequestSummary): string {
  const parts = Object.entries(byStatus).map(([status, count]) => `${count} with ${status}`);
  return `served ${total} requests${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}
