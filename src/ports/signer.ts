/** A DSSE envelope: the payload is base64 of the exact bytes that were signed. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** The installation's Ed25519 key. It proves "this installation saw it", not more. */
export interface Signer {
  /** SHA-256 of the public key in SPKI DER, hexadecimal. */
  readonly keyId: string;
  /** The public key, PEM. */
  readonly publicKey: string;
  /** Signs the pre-authentication encoding of DSSE v1. */
  sign(payload: Uint8Array, payloadType: string): Envelope;
  /** True only when this installation's key signed exactly these bytes. */
  verify(envelope: Envelope): boolean;
}
