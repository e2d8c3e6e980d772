import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { statementType } from "../domain/statement.ts";
import { encoded, openSigner } from "./signer.ts";

const folders: string[] = [];
function fresh(): string {
  const folder = mkdtempSync(join(tmpdir(), "rigs-signer-"));
  folders.push(folder);
  return join(folder, "keys");
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test("the pre-authentication encoding is DSSE's own example", () => {
  expect(encoded(Buffer.from("hello world"), "http://example.com/HelloWorld").toString()).toBe(
    "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
  );
});

test("the key is made once, for its owner only, and found again", () => {
  const folder = fresh();
  const first = openSigner(folder);
  const second = openSigner(folder);
  expect(second.keyId).toBe(first.keyId);
  expect(first.keyId).toMatch(/^[0-9a-f]{64}$/);
  expect(first.publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);
  expect(statSync(join(folder, "signing-key.pem")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["signing-key.pem"]);
  expect(second.verify(first.sign(Buffer.from("{}"), statementType))).toBe(true);
});

test("any change of the envelope is seen, and another installation's key is not ours", () => {
  const signer = openSigner(fresh());
  const other = openSigner(fresh());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.string(), (payload, type) => {
      const envelope = signer.sign(payload, type);
      expect(signer.verify(envelope)).toBe(true);
      expect(other.verify(envelope)).toBe(false);
      expect(signer.verify({ ...envelope, payloadType: `${type}x` })).toBe(false);
      expect(signer.verify({ ...envelope, payload: Buffer.from([...payload, 0]).toString("base64") })).toBe(
        false,
      );
      expect(signer.verify({ ...envelope, payload: `${envelope.payload}\n` })).toBe(false);
      expect(signer.verify({ ...envelope, signatures: [] })).toBe(false);
      const renamed = envelope.signatures.map(({ sig }) => ({ sig, keyid: other.keyId }));
      expect(signer.verify({ ...envelope, signatures: renamed })).toBe(false);
      const theirs = other.sign(payload, type).signatures.map(({ sig }) => ({ sig, keyid: signer.keyId }));
      expect(signer.verify({ ...envelope, signatures: theirs })).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test("a key that is none, or that others can read, is refused in one line", () => {
  const folder = fresh();
  openSigner(folder);
  const path = join(folder, "signing-key.pem");
  chmodSync(path, 0o644);
  expect(() => openSigner(folder)).toThrow(/chmod 600/);
  writeFileSync(path, "no key");
  chmodSync(path, 0o600);
  expect(() => openSigner(folder)).toThrow(/no Ed25519 key/);
});

test("the command of docs/verify.md tells a good signature from a bad one", () => {
  const page = readFileSync(new URL("../../docs/verify.md", import.meta.url), "utf8");
  const script = /^```sh\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "exit 9";
  const signer = openSigner(fresh());
  const folder = fresh();
  mkdirSync(folder);
  writeFileSync(join(folder, "key.pem"), signer.publicKey);
  const check = (envelope: object, status: number, said: string) => {
    writeFileSync(join(folder, "statement.json"), JSON.stringify(envelope));
    const ran = spawnSync("sh", ["-c", script], { cwd: folder, encoding: "utf8" });
    expect(ran).toMatchObject({ status, stdout: expect.stringContaining(said) });
  };
  const envelope = signer.sign(Buffer.from('{"subject":"é"}'), statementType);
  check(envelope, 0, 'signature good\n{\n  "subject": "é"\n}');
  const payload = Buffer.from('{"subject":"e"}').toString("base64");
  check({ ...envelope, payload }, 1, "SIGNATURE BAD");
});
