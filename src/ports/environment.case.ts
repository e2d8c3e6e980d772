import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Commit } from "../domain/id.ts";
import type { Environments } from "./environment.ts";
import type { Repository } from "./repository.ts";

type Files = Readonly<Record<string, string>>;

/** An implementation, and the world around it. */
export interface EnvironmentSubject extends AsyncDisposable {
  readonly environments: Environments;
  /** A commit with exactly these files. */
  commit(files: Files): Promise<{ readonly repository: Repository; readonly commit: Commit }>;
  /** A project with a lockfile that needs something installed. Each number is a project of its own. */
  locked(number: number): Files;
  /** Installs so far, seen from outside: requests that reached the registry. */
  fetches(): number;
  /** From now on the registry keeps silent; resolves when somebody waits for it. */
  hold(): Promise<void>;
  release(): void;
  /** What is left of builds that did not end well. */
  leftOvers(): readonly string[];
}

const patient = () => AbortSignal.timeout(60_000);

/** What holds for every implementation of Environments. */
export function environmentCases(name: string, open: () => Promise<EnvironmentSubject>): void {
  describe(name, () => {
    let subject: EnvironmentSubject;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(async () => subject[Symbol.asyncDispose]());
    const prepare = async (files: Files, setup?: string, signal = patient()) =>
      subject.environments.prepare({ ...(await subject.commit(files)), setup }, signal);

    test("without anything to install it is ready at once, and nothing is fetched", async () => {
      const prepared = await prepare({ "main.py": "print(1)\n" });
      expect(prepared).toMatchObject({ kind: "ready", installed: false, environment: { owned: [] } });
      expect(subject.fetches()).toBe(0);
    });

    test("the same lockfile is installed once, whatever the other files are", async () => {
      const first = await prepare({ ...subject.locked(1), "main.js": "1\n" });
      expect(first).toMatchObject({ kind: "ready", installed: true });
      const fetches = subject.fetches();
      expect(fetches).toBeGreaterThan(0);
      const second = await prepare({ ...subject.locked(1), "main.js": "2\n" });
      expect(second).toMatchObject({ kind: "ready", installed: false });
      expect(subject.fetches()).toBe(fetches);
      if (first.kind === "ready" && second.kind === "ready")
        expect(second.environment).toEqual(first.environment);
    });

    test("another lockfile is another environment", async () => {
      const [first, second] = [await prepare(subject.locked(1)), await prepare(subject.locked(2))];
      if (first.kind !== "ready" || second.kind !== "ready") throw new Error("both are ready");
      expect(second.environment.key).not.toBe(first.environment.key);
    });

    test("what is installed is read-only, and what is mounted over the work folder is owned", async () => {
      const prepared = await prepare(subject.locked(1));
      if (prepared.kind !== "ready") throw new Error(prepared.why);
      const { binds, owned } = prepared.environment;
      expect(binds.filter(({ access }) => access === "write")).toEqual([]);
      const over = binds
        .filter(({ inside }) => inside.startsWith("/rig/"))
        .map(({ inside }) => inside.slice(5));
      expect([...over].sort()).toEqual([...owned].sort());
    });

    test("two who ask at once share one build", async () => {
      const before = subject.fetches();
      await prepare(subject.locked(6));
      const forOne = subject.fetches() - before;
      const ask = { ...(await subject.commit(subject.locked(3))), setup: undefined };
      const held = subject.hold();
      const both = [1, 2].map(() => subject.environments.prepare(ask, patient()));
      await held;
      subject.release();
      const prepared = await Promise.all(both);
      expect(prepared.map((each) => each.kind === "ready" && each.installed).sort()).toEqual([false, true]);
      expect(subject.fetches() - before).toBe(2 * forOne);
      expect(subject.leftOvers()).toEqual([]);
    });

    test("aborting rejects with the reason, leaves nothing, and the next one starts anew", async () => {
      const stop = new AbortController();
      const held = subject.hold();
      const cut = prepare(subject.locked(4), undefined, stop.signal);
      await held;
      const reason = new Error("enough");
      stop.abort(reason);
      await expect(cut).rejects.toBe(reason);
      expect(subject.leftOvers()).toEqual([]);
      subject.release();
      expect(await prepare(subject.locked(4))).toMatchObject({ kind: "ready", installed: true });
    });

    test("one who leaves does not stop the build for the other", async () => {
      const stop = new AbortController();
      const held = subject.hold();
      const cut = prepare(subject.locked(5), undefined, stop.signal);
      const stays = prepare(subject.locked(5));
      await held;
      stop.abort(new Error("enough"));
      await expect(cut).rejects.toThrow("enough");
      subject.release();
      expect(await stays).toMatchObject({ kind: "ready" });
    });

    test("a setup that fails says so, shows the end of its output, and is not kept", async () => {
      const files = { "main.py": "1\n" };
      const failing = "echo what went wrong; exit 3";
      for (const _ of [1, 2]) {
        const prepared = await prepare(files, failing);
        expect(prepared).toMatchObject({ kind: "failed" });
        if (prepared.kind === "failed") expect(prepared.log).toContain("what went wrong");
      }
      expect(subject.leftOvers()).toEqual([]);
    });
  });
}
