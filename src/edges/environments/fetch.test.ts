import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { snippet } from "../jails/limits.ts";
import { makeWorkRoot, withJail } from "../jails/sandbox.case.ts";
import { type Fetch, fetchOnce } from "./fetch.ts";
import { publicRegistries } from "./registries.ts";

const top = makeWorkRoot();
afterAll(() => rmSync(top, { recursive: true }));
const passing = join(top, "work/passing");
const absent = { kind: "absent", why: "" } as const;
const interpreters = { node: { ...absent, name: "node" }, python: { ...absent, name: "python3" } } as const;

await withJail({ workRoot: join(top, "work") }, ({ jail }) => {
  mkdirSync(passing);
  writeFileSync(join(top, "authorities.pem"), "authorities");
  const shop = { jail, interpreters, limits: snippet, registries: async () => publicRegistries };
  const fetch = (command: string, signal = new AbortController().signal) => {
    const step: Fetch = {
      ...{ name: "npm ci", command, cwd: "/tmp", binds: [], variables: {}, hosts: [] },
      configuration: { npmrc: "token=s3cret" },
      certificates: { path: join(top, "authorities.pem"), variable: "AUTHORITIES" },
      conceal: (text) => text.replaceAll("s3cret", "[hidden]"),
    };
    return fetchOnce(step, passing, shop, signal);
  };
  const isGone = () => !existsSync(join(passing, "registry"));

  test("a step reads its credentials, does not show them, and leaves none", async () => {
    expect(await fetch("grep -qx token=s3cret /registry/npmrc && grep -qx authorities $AUTHORITIES")).toBe(
      undefined,
    );
    expect(isGone()).toBe(true);
    const failed = await fetch("cat /registry/npmrc; exit 3");
    expect(failed?.log).toContain("token=[hidden]");
    expect(isGone()).toBe(true);
  });

  test("a step that is stopped leaves none either", async () => {
    const stop = new AbortController();
    const fetched = fetch("sleep 1000", stop.signal);
    stop.abort(new Error("enough"));
    await expect(fetched).rejects.toThrow("enough");
    expect(isGone()).toBe(true);
  });
});
