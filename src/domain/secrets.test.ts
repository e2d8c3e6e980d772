import fc from "fast-check";
import { expect, test } from "vitest";
import { base64Core, findSecrets, type SecretForm, withheld, withheldIn, withheldMark } from "./secrets.ts";

const key = "sk-live_9f8Q/+x=ümlaut42";
const formsIn = (text: string, secrets: readonly string[] = [key]) => [
  ...new Set(findSecrets(text, secrets).map((hit) => hit.form)),
];
const base64 = (text: string) => Buffer.from(text).toString("base64");
const hexadecimal = (text: string) => Buffer.from(text).toString("hex");

const forms: readonly (readonly [SecretForm, (secret: string) => string])[] = [
  ["plain", (secret) => secret],
  ["reversed", (secret) => [...secret].reverse().join("")],
  ["hexadecimal", hexadecimal],
  ["hexadecimal", (secret) => hexadecimal(secret).toUpperCase()],
  ["percent", (secret) => encodeURIComponent(secret)],
  ["percent", (secret) => new URLSearchParams({ key: secret }).toString().replace("key=", "")],
  ["percent", (secret) => hexadecimal(secret).replace(/../g, "%$&")],
  ["base64", base64],
  ["base64", (secret) => base64(`a${secret}`)],
  ["base64", (secret) => base64(`ab${secret}z`)],
  ["base64", (secret) => Buffer.from(`token:${secret}`).toString("base64url")],
];

test.each(forms)("finds the %s form in a diff and in a name", (form, encode) => {
  expect(formsIn(`+ token = "${encode(key)}"\n`)).toContain(form);
  expect(formsIn(`config/${encode(key)}.json`)).toContain(form);
});

test("finds what was wrapped over lines, in a diff and in a file", () => {
  const long = `${key}${"0123456789abcdef".repeat(6)}`;
  const lines = base64(long).match(/.{1,40}/g) ?? [];
  expect(formsIn(lines.map((line) => `+    ${line}`).join("\n"), [long])).toEqual(["base64"]);
  expect(formsIn(lines.join("\r\n"), [long])).toEqual(["base64"]);
});

test("tells the place and which secret, never the secret", () => {
  const hits = findSecrets(`name\n${key}`, ["another-secret", key]);
  expect(hits).toEqual([{ secret: 1, form: "plain", at: 5 }]);
  expect(JSON.stringify(hits)).not.toContain(key);
});

test("ignores what is shorter than 8 characters, and white space around a secret", () => {
  expect(findSecrets("hunter2 hunter2", ["hunter2", "", "  "])).toEqual([]);
  expect(formsIn(key, [`${key}\n`])).toEqual(["plain"]);
});

test("a clean text has none", () => {
  expect(findSecrets("+ token = process.env.TOKEN\n", [key])).toEqual([]);
});

const secret = fc
  .string({ minLength: 8, maxLength: 40 })
  .filter((text) => text.trim().length >= 8 && text.trim() === text);

test("law: every form of every secret is found, wherever it stands", () => {
  fc.assert(
    fc.property(
      secret,
      fc.string({ maxLength: 20 }),
      fc.string({ maxLength: 20 }),
      fc.constantFrom(...forms),
      (value, before, after, [form, encode]) => {
        // "%0" before a digit would be read as one code with it.
        fc.pre(!/%[0-9a-fA-F]?$/.test(before));
        const text = `${before}${encode(value)}${after}`;
        const hits = findSecrets(text, [value]);
        expect(hits.some((hit) => hit.form === form || encode(value) === value)).toBe(true);
        for (const hit of hits) expect(hit.at).toBeLessThan(text.length);
      },
    ),
    { numRuns: 400 },
  );
});

test("law: the core of base64 is in the encoding at every offset, whatever stands around", () => {
  const bytes = fc.uint8Array({ minLength: 8, maxLength: 30 });
  fc.assert(
    fc.property(
      bytes,
      fc.uint8Array({ maxLength: 5 }),
      fc.uint8Array({ maxLength: 5 }),
      (core, before, after) => {
        const all = Buffer.concat([before, core, after]).toString("base64");
        expect(all).toContain(base64Core(core, before.length % 3));
      },
    ),
  );
});

test("a megabyte and many secrets take little time", () => {
  const secrets = Array.from({ length: 40 }, (_, index) => `secret-number-${index}-${"k".repeat(30)}`);
  const started = performance.now();
  expect(findSecrets(`${"k".repeat(500_000)}\n`.repeat(2), secrets)).toEqual([]);
  expect(findSecrets(`${secrets[0]}\n`.repeat(20_000), secrets).length).toBeLessThanOrEqual(100);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test.each(forms)("takes the %s form out, and leaves what stands around it", (_, encode) => {
  const shown = withheld(`KEY=${encode(key)}\nNEXT=1 ${encode(key)}`, [key]);
  expect(findSecrets(shown, [key])).toEqual([]);
  expect(shown).toMatch(/^KEY=\S{0,8}\[secret of a provider withheld\]\S{0,4}\nNEXT=1 /);
});

test("law: no text that is shown holds a secret in any form, and one without any is shown as it is", () => {
  const piece = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom("\n", "%41", "%", "+"));
  const encoded = fc.nat({ max: forms.length - 1 }).map((at) => forms[at]?.[1](key) ?? key);
  const wrapped = fc
    .tuple(encoded, fc.nat({ max: 20 }))
    .map(([text, at]) => `${text.slice(0, at)}\n  ${text.slice(at)}`);
  const texts = fc.array(fc.oneof(piece, encoded, wrapped), { maxLength: 8 }).map((all) => all.join(""));
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 3 }), fc.string(), (all, plain) => {
      const value = { runs: all.map((text, count) => ({ text, count })), none: undefined };
      const shown = withheldIn(value, [key]);
      for (const { text } of shown.runs) expect(findSecrets(text, [key])).toEqual([]);
      expect(shown.runs.map(({ count }) => count)).toEqual(all.map((_, count) => count));
      if (findSecrets(plain, [key]).length === 0) expect(withheld(plain, [key])).toBe(plain);
    }),
  );
});

test("more places than one look finds are taken out, and plain data without a secret is the very same", () => {
  expect(withheld(`${key} `.repeat(250), [key])).toBe(`${withheldMark} `.repeat(250));
  const value = { a: ["b", 1, undefined] };
  expect(withheldIn(value, [key])).toBe(value);
});
