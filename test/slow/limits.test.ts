/** The real command line against servers that enforce limits as vendors do: nothing is refused, and nobody is asked who may not be. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { readScenario } from "../../src/edges/simulator/scenario.ts";
import { type Simulator, startSimulator } from "../../src/edges/simulator/server.ts";
import { realClock } from "../../src/main/inside.ts";
import { file, type Line, openGround } from "../support/rigs.ts";

const { test } = await needing("jail");
vi.setConfig({ testTimeout: 110_000 });

const names = ["a", "b", "c", "d", "e"];
const head = 'import { equal } from "node:assert";\nimport { test } from "node:test";\n';
const files = {
  "package.json": '{ "name": "parts", "type": "module", "private": true }\n',
  ...Object.fromEntries(
    names.map((name) => [
      `test/${name}.test.js`,
      `${head}import { ${name} } from "../src/${name}.js";\ntest("${name}", () => equal(${name}(), 1));\n`,
    ]),
  ),
};
const plan = `goal: the alphabet\nbeads:\n${names
  .map(
    (name) =>
      `  - name: ${name}\n    intent: "Write letter ${name} of the alphabet"\n    owns: [src/${name}.js]\n    checks: ["node --test test/${name}.test.js"]\n`,
  )
  .join("")}`;
const right = (name: string) => file(`src/${name}.js`, `export const ${name} = () => 1;\n`);
const rules = names.map((name) => ({
  when: { contains: `Write letter ${name} of the alphabet` },
  times: "always",
  do: { kind: "say", text: right(name) },
}));

async function simulated(accounts: readonly unknown[]): Promise<Simulator> {
  const load = readScenario(JSON.stringify({ rules, accounts }));
  if (load.kind === "refused") throw new Error(load.why);
  return startSimulator({ scenario: load.scenario, clock: realClock });
}

const providerAt = (name: string, { url }: Simulator, more = "") =>
  `[providers.${name}]\nkind = "anthropic"\nmodel = "median"\nbase_url = "${url}/v1"\napi_key_env = "${name.toUpperCase()}_KEY"\noutput_tokens_max = 400\n${more}`;

const reserved = (lines: readonly Line[]) => lines.filter(({ type }) => type === "call-reserved");

/** A goal of five parts. */
async function worked(
  ground: ReturnType<typeof openGround>,
  providers: string,
  { named, workers }: { readonly named: readonly string[]; readonly workers: number },
) {
  const user = ground.repository("letters", files);
  writeFileSync(join(ground.home, "config.toml"), providers);
  writeFileSync(join(ground.folder, "plan.yaml"), plan);
  const words = [
    "goal",
    "execute",
    "the alphabet",
    "--check",
    "node --test test",
    "--plan",
    join(ground.folder, "plan.yaml"),
    "--workers",
    String(workers),
    "--json",
  ];
  const keys = { ONE_KEY: "sk-one", TWO_KEY: "sk-two" };
  return ground.start(user.top, [...words, ...named.flatMap((name) => ["--provider", name])], keys).ended;
}

/** What the home still has reserved. */
function leasesIn(home: string): number {
  const saved = JSON.parse(readFileSync(join(home, "tanks.json"), "utf8")) as {
    readonly tanks: readonly { readonly leases: readonly unknown[] }[];
  };
  return saved.tanks.reduce((sum, { leases }) => sum + leases.length, 0);
}

test("two a second and no more: five workers wait for each other, and not one request is refused", async () => {
  using ground = openGround();
  const simulator = await simulated([
    { limits: { counting: "anthropic", rpm: 120, itpm: 200_000, otpm: 30_000, burstPart: 1 / 60 } },
  ]);
  try {
    const ended = await worked(ground, providerAt("one", simulator), { named: [], workers: 5 });
    expect(ended.lines.at(-1), ended.err).toMatchObject({ outcome: "delivered" });
    const { byStatus } = simulator.requests();
    expect(byStatus).toEqual({ "200": reserved(ended.lines).length });
    expect(leasesIn(ground.home)).toBe(0);
  } finally {
    await simulator.close();
  }
});

test("a used-up window moves the work to the other account, visibly, and costs it nothing", async () => {
  using ground = openGround();
  const hours = { name: "5h", allowance: 1_200, periodMs: 18_000_000 };
  const weights = { median: { input: 1, cachedInput: 0, output: 1 } };
  const [full, free] = await Promise.all([
    simulated([{ limits: { counting: "subscription", windows: [hours], weights } }]),
    simulated([{ limits: { counting: "anthropic", rpm: 1_000 } }]),
  ]);
  try {
    const providers = `${providerAt("one", full)}\n${providerAt("two", free)}`;
    const ended = await worked(ground, providers, { named: ["one", "two"], workers: 2 });
    expect(ended.lines.at(-1), ended.err).toMatchObject({ outcome: "delivered" });
    const instead = reserved(ended.lines).flatMap(({ insteadOf }) =>
      insteadOf === undefined ? [] : [insteadOf],
    );
    expect(instead).toContainEqual({
      provider: "one",
      why: expect.stringMatching(/^5-hour window (at \d+ %|used up)/),
    });
    expect(free.requests().byStatus).toEqual({ "200": free.requests().total });
    expect(full.requests().byStatus).toEqual({ "200": full.requests().total });
    expect(leasesIn(ground.home)).toBe(0);
  } finally {
    await Promise.all([full.close(), free.close()]);
  }
});
