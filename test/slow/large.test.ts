/** Repositories that are larger than anything a prompt holds: they take their time, and work. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { userEnvironment } from "../../src/ports/repository.case.ts";
import { node } from "../support/projects.ts";
import { openGround } from "../support/rigs.ts";

const { test } = await needing("jail");

describe("a large repository is worked on as any other", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const execute = ["goal", "execute", node.goal, "--check", node.check, "--solo", "--json"];
  const edit = `src/words.js
<<<<<<< SEARCH
  return text.toUpperCase();
}
=======
  return text.toUpperCase();
}

export function count(text) {
  return text.split(/\\s+/).filter((word) => word !== "").length;
}
>>>>>>> REPLACE
`;

  /** Adds files by a stream, so that nothing is written twice. */
  function grown(name: string, files: Iterable<readonly [string, Buffer]>) {
    const user = ground.repository(name, node.files);
    const parts = [
      "commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 4\nmany\nfrom refs/heads/main^0\n",
    ];
    const input: Buffer[] = [Buffer.from(parts.join(""))];
    for (const [path, bytes] of files)
      input.push(Buffer.from(`M 100644 inline ${path}\ndata ${bytes.length}\n`), bytes, Buffer.from("\n"));
    execFileSync("git", ["-C", user.top, "fast-import", "--quiet"], {
      ...{ input: Buffer.concat(input), env: userEnvironment, maxBuffer: 1 << 20 },
    });
    user.git("reset", "-q", "--hard");
    return user;
  }

  test("15,000 files, and the one to be edited behind the first 5,000", async () => {
    const many = Array.from(
      { length: 15_000 },
      (_, index) => [`lib/d${index % 100}/m${index}.js`, Buffer.from(`export default ${index};\n`)] as const,
    );
    const user = grown("many", many);
    ground.script({ text: edit });
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(0);
    const { branch } = ended.lines.at(-1) as { readonly branch?: string };
    expect(user.git("diff", "--numstat", `main..${branch}`)).toBe("4\t0\tsrc/words.js");
  });

  test("a file of 200 MB", async () => {
    const user = grown("large", [[join("data", "large.bin"), Buffer.alloc(200_000_000, "large ")]]);
    ground.script({ text: node.right });
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(0);
    expect(ended.lines.at(-1)).toMatchObject({ outcome: "delivered" });
  });
});
