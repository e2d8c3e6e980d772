import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { report as total } from "../src/reports/total.js";

const folder = new URL("../src/reports/", import.meta.url);

test("the total adds everything up", () =>
  assert.deepEqual(total.lines([{ seconds: 3600 }, { seconds: 1800 }]), ["1h30m"]));
test("no two reports answer to the same letter", async () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const reports = await Promise.all(names.map((name) => import(new URL(name, folder))));
  const letters = reports.map(({ report }) => report.letter);
  assert.equal(letters.length, new Set(letters).size, `${names} answer to ${letters}`);
});
