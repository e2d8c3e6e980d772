import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
  verify,
} from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Envelope, Signer } from "../ports/signer.ts";

const fileName = "signing-key.pem";

/**
 * The installation's key below `folder` (absolute; made with 0700 when absent), generated on first use and kept as
 * PKCS #8 PEM with mode 0600. Throws an error of one line when the file is no Ed25519 key or others can read it.
 */
export function openSigner(folder: string): Signer {
  const key = readKey(folder);
  const publicKey = createPublicKey(key);
  const keyId = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
  return {
    keyId,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign: (payload, payloadType) => ({
      payloadType,
      payload: Buffer.from(payload).toString("base64"),
      signatures: [{ keyid: keyId, sig: sign(null, encoded(payload, payloadType), key).toString("base64") }],
    }),
    verify: (envelope) => isSignedBy(envelope, { keyId, publicKey }),
  };
}

function readKey(folder: string): KeyObject {
  const path = join(folder, fileName);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    pem = makeKey(folder, path);
  }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new Error(
      `the signing key ${path} can be read by others: chmod 600 it, or remove it to get a new one`,
    );
  const key = keyOf(pem);
  if (key?.asymmetricKeyType !== "ed25519")
    throw new Error(`${path} is no Ed25519 key: restore it from a backup, or remove it to get a new one`);
  return key;
}

function keyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** A link refuses to replace what exists: of two processes that start at once, one key wins and both use it. */
function makeKey(folder: string, path: string): string {
  const fresh = join(folder, `.${fileName}-${randomUUID()}`);
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  writeFileSync(fresh, pem, { flag: "wx", mode: 0o600 });
  try {
    chmodSync(fresh, 0o600);
    linkSync(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
  return readFileSync(path, "utf8");
}

/** DSSE v1: `DSSEv1 <length of type> <type> <length of payload> <payload>`, lengths in bytes. */
export function encoded(payload: Uint8Array, payloadType: string): Buffer {
  const type = Buffer.from(payloadType);
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}

function isSignedBy(
  { payload, payloadType, signatures }: Envelope,
  { keyId, publicKey }: { readonly keyId: string; readonly publicKey: KeyObject },
): boolean {
  const bytes = Buffer.from(payload, "base64");
  // Node's base64 decoder forgives; two texts for the same bytes would be two envelopes.
  if (bytes.toString("base64") !== payload) return false;
  return signatures.some(
    ({ keyid, sig }) =>
      keyid === keyId && verify(null, encoded(bytes, payloadType), publicKey, Buffer.from(sig, "base64")),
  );
}
