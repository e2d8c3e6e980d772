import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeWorkRoot, withJail } from "./sandbox.case.ts";
import { canaries, causeOf, openJail } from "./selftest.ts";

const top = makeWorkRoot();
afterAll(() => rmSync(top, { recursive: true }));

const refusal = async (options: Partial<Parameters<typeof openJail>[0]>) => {
  const opened = await openJail({ workRoot: join(top, "work"), ...options });
  if (opened.kind === "ready") throw new Error("ready");
  return opened;
};
/** A program that stands where bubblewrap should. */
const impostor = (name: string, script: string) => {
  const path = join(top, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
};
await withJail({ workRoot: join(top, "work") }, () => {
  test("opens, and opens again", async () => {
    for (let count = 0; count < 2; count++)
      expect((await openJail({ workRoot: join(top, "work") })).kind).toBe("ready");
  });

  describe("a jail with a hole is refused, with the hole's name", () => {
    const check = (name: keyof typeof canaries, bwrap: () => string) =>
      test(name, async () => {
        const { why, remedy } = await refusal({ bwrap: bwrap() });
        expect(why).toContain(canaries[name]);
        expect(remedy).toContain("do not run model-written code");
      });
    check("namespaces", () =>
      edited("namespaces", `${drop("--disable-userns", 1)}; ${drop("--seccomp", 2)}`),
    );
    check("root", () => edited("root", drop("--remount-ro", 2)));
    check("network", () => edited("network", 'words.insert(words.index(b"--unshare-user"), b"--share-net")'));
    check("files", () =>
      edited("files", 'at = words.index(b"--proc"); words[at:at] = [b"--ro-bind", b"/var", b"/var"]'),
    );
    check("environment", () => edited("environment", "environment = dict(SECRET=str(1))"));
    check("filter", () => edited("filter", drop("--seccomp", 2)));
  });
});

/** Python that takes an option and what follows it out, wherever it stands. */
function drop(option: string, count: number): string {
  return `words = [word for at, word in enumerate(words) if b"${option}" not in words[max(0, at - ${count - 1}) : at + 1]]`;
}

/** Hands what bubblewrap is told to the real one, after a change to `words` or `environment`. */
function edited(name: string, change: string): string {
  return impostor(
    name,
    `case "$1" in --version) echo "bubblewrap 0.8.0"; exit;; esac
exec /usr/bin/python3 -c '
import os, sys
words, environment = b"", {}
while more := os.read(3, 65536): words += more
words = words.split(b"\\0")[:-1]
${change}
read, write = os.pipe()
os.write(write, b"".join(word + b"\\0" for word in words))
os.close(write)
os.dup2(read, 3)
os.execve("/usr/bin/bwrap", ["/usr/bin/bwrap", *sys.argv[1:]], environment)' "$@"`,
  );
}

describe("what is missing is named, with what to do", () => {
  /** For what is looked at after bubblewrap, on machines without one too. */
  const bwrap = impostor("new", 'echo "bubblewrap 9.0.0"');

  test("no bubblewrap", async () => {
    const { why, remedy } = await refusal({ bwrap: join(top, "nothing") });
    expect([why, remedy]).toEqual([
      expect.stringContaining("bubblewrap is missing"),
      expect.stringContaining("apt-get install bubblewrap"),
    ]);
  });

  test("an old bubblewrap", async () => {
    const { why, remedy } = await refusal({ bwrap: impostor("old", 'echo "bubblewrap 0.4.1"') });
    expect([why, remedy]).toEqual([
      "bubblewrap is bubblewrap 0.4.1, at least 0.8.0 is needed",
      expect.stringContaining("newer"),
    ]);
  });

  test("something else of that name", async () => {
    expect((await refusal({ bwrap: impostor("odd", "exit 3") })).why).toContain("--version failed");
  });

  test("a bubblewrap that does nothing and is proud of it", async () => {
    const fake = impostor("fake", 'case "$1" in --version) echo "bubblewrap 9.0.0";; esac');
    expect((await refusal({ bwrap: fake })).why).toContain("bubblewrap cannot make a jail");
  });

  test("a processor without a filter", async () => {
    const { why, remedy } = await refusal({ architecture: "riscv64" });
    expect([why, remedy]).toEqual([
      expect.stringContaining("riscv64"),
      expect.stringContaining("x86_64 or aarch64"),
    ]);
  });

  test("a work root that is not absolute", async () => {
    expect((await refusal({ bwrap, workRoot: "work" })).why).toContain("not absolute");
  });

  test.runIf(process.getuid?.() === 0)("as root: a work root that the jail's user cannot reach", async () => {
    mkdirSync(join(top, "private/work"), { recursive: true });
    chmodSync(join(top, "private"), 0o700);
    const { why, remedy } = await refusal({ bwrap, workRoot: join(top, "private/work") });
    expect(why).toContain(`cannot pass through ${join(top, "private")}`);
    expect(remedy).toContain(`chmod o+x ${join(top, "private")}`);
  });
});

test("the machine's own words lead to the cause", () => {
  const check = (why: string, files: Record<string, string>, remedy: string) =>
    expect(
      causeOf(
        why,
        (path) => files[path],
        (path) => path in files,
      ).remedy,
    ).toContain(remedy);
  const denied =
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces.";
  check(
    denied,
    { "/proc/sys/kernel/unprivileged_userns_clone": "0\n" },
    "sysctl -w kernel.unprivileged_userns_clone=1",
  );
  check(denied, { "/proc/sys/user/max_user_namespaces": "0\n" }, "sysctl -w user.max_user_namespaces=15000");
  check(
    "bwrap: setting up uid map: Permission denied",
    { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" },
    "kernel.apparmor_restrict_unprivileged_userns=0",
  );
  check("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", {}, "container");
  check(denied, { "/.dockerenv": "" }, "container");
  check("bwrap: Unknown option --disable-userns", {}, "0.8.0");
  check("bwrap: prctl(PR_SET_SECCOMP): Invalid argument", {}, "CONFIG_SECCOMP_FILTER");
  check("bwrap: something new", {}, "by hand");
});
