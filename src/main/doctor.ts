import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { describeInterpreters, findInterpreters, systemFolders } from "../edges/environments/interpreters.ts";
import { openJail } from "../edges/jails/selftest.ts";
import { openReader, storeFile } from "../edges/store/sqlite.ts";
import type { Finding } from "../faces/house.ts";
import { type Inside, openHouse } from "./house.ts";

/** Looks at everything a goal needs, in the order in which a goal would meet it. */
export async function examine(ask: { readonly deep: boolean }, inside: Inside): Promise<readonly Finding[]> {
  const findings: Finding[] = [
    { name: "node", state: "good", text: process.version, remedy: "" },
    await git(),
    ...(await jail(inside)),
    await disk(inside),
    ...(await configuration(inside)),
  ];
  if (ask.deep) findings.push(...(await log(inside)));
  return findings;
}

async function git(): Promise<Finding> {
  const version = await new Promise<string | undefined>((done) => {
    execFile("git", ["--version"], { timeout: 10_000 }, (error, text) =>
      done(error === null ? text.trim() : undefined),
    );
  });
  if (version !== undefined) return { name: "git", state: "good", text: version, remedy: "" };
  return { name: "git", state: "bad", text: "not found on PATH", remedy: "apt-get install git" };
}

async function jail({ places, variables }: Inside): Promise<readonly Finding[]> {
  const opened = await openJail({ workRoot: places.workRoot });
  if (opened.kind === "refused")
    return [{ name: "jail", state: "bad", text: opened.why, remedy: opened.remedy }];
  const limits =
    opened.level === "rlimits" ? "limits by process only (no control groups)" : `limits by ${opened.level}`;
  const root = join(places.workRoot, "environments");
  await mkdir(root, { recursive: true, mode: 0o711 });
  const found = await findInterpreters({
    root,
    path: variables.PATH ?? "",
    ownNode: process.execPath,
    systemFolders,
  });
  return [
    { name: "jail", state: "good", text: `bubblewrap, self-test passed, ${limits}`, remedy: "" },
    ...describeInterpreters(found).map(
      (text): Finding => ({
        name: "in the jail",
        state: / none;/.test(text) ? "missing" : "good",
        text,
        remedy: "",
      }),
    ),
  ];
}

/** The store waits for the disk at every step, so its flush time is worth knowing. */
async function disk({ places }: Inside): Promise<Finding> {
  const path = join(places.home, ".flush");
  try {
    await mkdir(places.home, { recursive: true, mode: 0o700 });
    await using file = await open(path, "w", 0o600);
    const spans: number[] = [];
    for (let round = 0; round < 20; round++) {
      await file.write("x");
      const from = performance.now();
      await file.datasync();
      spans.push(performance.now() - from);
    }
    spans.sort((left, right) => left - right);
    const median = spans[10] ?? 0;
    return {
      name: "disk",
      state: "good",
      text: `a flush takes ${median.toFixed(2)} ms in ${places.home}`,
      remedy: "",
    };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return {
      name: "disk",
      state: "bad",
      text: `cannot write in ${places.home}: ${code}`,
      remedy: "choose another --home, or mend its mode",
    };
  } finally {
    await rm(path, { force: true });
  }
}

async function configuration(inside: Inside): Promise<readonly Finding[]> {
  const { places } = inside;
  try {
    const config = await inside.config();
    if (!existsSync(places.config))
      return [
        { name: "config", state: "missing", text: `there is no ${places.config}`, remedy: "rigs init" },
      ];
    const lines = await openHouse(inside).providers();
    return [
      { name: "config", state: "good", text: places.config, remedy: "" },
      ...config.warnings.map((text): Finding => ({ name: "config", state: "missing", text, remedy: "" })),
      ...lines.map(
        (line): Finding => ({
          name: `provider ${line.name}`,
          state: line.state === "usable" ? "good" : "missing",
          text: line.state === "usable" ? `${line.kind} ${line.model}` : line.why,
          remedy: line.state === "usable" ? `rigs provider test ${line.name}` : "",
        }),
      ),
      ...(lines.length === 0
        ? [
            {
              name: "provider",
              state: "missing" as const,
              text: "none is configured",
              remedy: "rigs provider add NAME --kind openai --model MODEL --api-key-env VARIABLE",
            },
          ]
        : []),
    ];
  } catch (error) {
    return [
      { name: "config", state: "bad", text: (error as Error).message, remedy: `edit ${places.config}` },
    ];
  }
}

async function log({ places }: Inside): Promise<readonly Finding[]> {
  if (!existsSync(storeFile(places.home))) return [{ name: "log", state: "good", text: "empty", remedy: "" }];
  const reader = await openReader(places.home);
  try {
    const faults = await reader.audit();
    if (faults.length === 0)
      return [
        { name: "log", state: "good", text: "the chain holds and every state follows from it", remedy: "" },
      ];
    return faults.map(
      (text): Finding => ({
        name: "log",
        state: "bad",
        text,
        remedy: `keep a copy of ${storeFile(places.home)}`,
      }),
    );
  } finally {
    await reader.close();
  }
}
