/** `rigs tank refresh` over real homes and a simulated provider. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadScenario } from "../edges/simulator/scenario.ts";
import { type Simulator, startSimulator } from "../edges/simulator/server.ts";
import { openFakeTerminal } from "../faces/cli/house.case.ts";
import { runProgram } from "../faces/cli/program.ts";
import { openHouse } from "./house.ts";
import { realClock } from "./inside.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-refresh-"));
const key = "sk-right-0123456789";
let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ clock: realClock, key });
});
afterAll(async () => {
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

let homes = 0;
function newHome(url = simulator.url): string {
  const home = join(folder, String(++homes));
  mkdirSync(home, { mode: 0o700 });
  const config = `
[providers.claude]
kind = "anthropic"
model = "median"
base_url = "${url}/v1"
api_key_env = "CLAUDE_KEY"
[providers.play]
kind = "scripted"
script = "none.json"
`;
  writeFileSync(join(home, "config.toml"), config, { mode: 0o600 });
  return home;
}

/** Each run is a process of its own, as far as the home can tell. */
async function rigs(home: string, claudeKey: string | undefined, ...words: readonly string[]) {
  const variables = { HOME: folder, PATH: "/usr/bin:/bin", ...(claudeKey && { CLAUDE_KEY: claudeKey }) };
  const terminal = openFakeTerminal();
  const house = async () => openHouse({ home, folder, variables, version: "1" });
  const signal = new AbortController().signal;
  const code = await runProgram(words, { version: "1", terminal, signal, house });
  const { out, err } = terminal.said;
  const all = [...out, ...err].join("\n");
  for (const secret of [key, claudeKey]) if (secret !== undefined) expect(all).not.toContain(secret);
  return { code, out, err };
}

test("without a call this kind tells nothing, and it says what would", async () => {
  const { code, out } = await rigs(newHome(), key, "tank", "refresh");
  expect({ code, out }).toEqual({
    code: 0,
    out: [
      "claude: it says what is left only in the reply to a call; one small call would tell: rigs tank refresh claude --ask",
    ],
  });
});

test("with a call the limits of its reply are known from then on, in a file that holds no key", async () => {
  const home = newHome();
  expect(await rigs(home, key, "tank", "refresh", "claude", "--ask")).toMatchObject({
    code: 0,
    out: ["claude: as its reply says"],
  });
  const shown = (await rigs(home, key, "tank", "status", "claude")).out.join("\n");
  expect(shown).toMatch(/requests {8}\[#{12,20}\.{0,8}\] (\d\d|100) % left, refills [\d,]+ a minute/);
  expect(shown).toContain("the rate is from the provider");
  expect(shown).not.toContain("not known yet");
  const file = join(home, "tanks.json");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).not.toContain(key);
  expect(JSON.parse(readFileSync(file, "utf8")).tanks).toMatchObject([{ leases: [] }, { leases: [] }]);
});

test("a provider that is tried takes a place like any call, and what its reply says is known from then on", async () => {
  const home = newHome();
  expect(await rigs(home, key, "provider", "test", "claude")).toMatchObject({
    ...{ code: 0, err: [] },
    out: [expect.stringMatching(/^claude \(median\) answered in \d+ ms: \d+ tokens in, \d+ out$/)],
  });
  const shown = (await rigs(home, key, "tank", "status", "claude")).out.join("\n");
  expect(shown).toContain("the rate is from the provider");
});

test("a key that is refused closes until a person acts; the right one opens again", async () => {
  const home = newHome();
  const wrong = "sk-wrong-0123456789";
  const refused = await rigs(home, wrong, "tank", "refresh", "claude", "--ask", "--json");
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out[0] ?? "")).toMatchObject([{ name: "claude", kind: "failed" }]);
  const closed = (await rigs(home, wrong, "tank", "list")).out.join("\n");
  expect(closed).toMatch(
    /closed {10}until you mend it: HTTP 401 .*check the key in CLAUDE_KEY; then: rigs tank/,
  );
  expect((await rigs(home, wrong, "status")).out.join("\n")).toMatch(
    /^tanks: claude: closed until you mend/m,
  );
  expect((await rigs(home, wrong, "provider", "list")).out[0]).toMatch(
    /^claude .* closed until you mend it: HTTP 401 .*; then: rigs tank refresh claude$/,
  );
  expect((await rigs(home, wrong, "tank", "refresh", "claude")).out).toEqual([
    expect.stringMatching(/^claude: \(median\) did not answer \(auth\): HTTP 401/),
  ]);
  expect((await rigs(home, key, "tank", "refresh", "claude", "--ask")).out).toEqual([
    "claude: as its reply says",
  ]);
  expect((await rigs(home, key, "tank", "list")).out.join("\n")).not.toContain("closed");
});

test("an account without money that was paid is open again by the command that its pages name, of kinds that tell nothing too", async () => {
  const path = join(folder, "unpaid.json");
  const unpaid = { times: 1, do: { kind: "fault", fault: "billing" } };
  writeFileSync(path, JSON.stringify({ rules: [unpaid] }));
  const read = await loadScenario(path);
  if (read.kind === "refused") throw new Error(read.why);
  for (const kind of ["anthropic", "gemini"] as const) {
    const paid = await startSimulator({ clock: realClock, scenario: read.scenario });
    const home = newHome(paid.url);
    const config = join(home, "config.toml");
    writeFileSync(
      config,
      readFileSync(config, "utf8")
        .replace('"anthropic"', `"${kind}"`)
        .replace('/v1"', kind === "gemini" ? '/v1beta"' : '/v1"'),
    );
    expect((await rigs(home, key, "provider", "test", "claude")).code).toBe(1);
    expect((await rigs(home, key, "provider", "list")).out[0]).toMatch(
      / closed until you mend it: HTTP 40[02] /,
    );
    expect((await rigs(home, key, "tank", "refresh", "claude")).out).toEqual([
      expect.stringMatching(/^claude: \(median\) answered in \d+ ms/),
    ]);
    expect((await rigs(home, key, "provider", "list")).out[0]).toContain("standard  usable");
    await paid.close();
  }
});

test("what cannot be asked says so in one line: no key, a script, nobody", async () => {
  const home = newHome();
  expect(await rigs(home, undefined, "tank", "refresh", "claude")).toMatchObject({
    code: 1,
    out: [expect.stringMatching(/^claude: the variable CLAUDE_KEY is not set; export CLAUDE_KEY=/)],
  });
  expect((await rigs(home, key, "tank", "refresh", "play")).out[0]).toMatch(/^play: .*none\.json/);
  await expect(rigs(home, key, "tank", "refresh", "nobody")).rejects.toThrow(/^no provider "nobody"/);
});
