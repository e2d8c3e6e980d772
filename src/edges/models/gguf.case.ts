/** A model file of a few kilobytes that the tests write themselves: random weights, a byte vocabulary, nobody's work. */
type Value =
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "count"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "texts"; readonly value: readonly string[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "counts"; readonly value: readonly number[] };

const text = (value: string): Value => ({ kind: "text", value });
const count = (value: number): Value => ({ kind: "count", value });

const endToken = 2;
const size = { layers: 1, width: 32, heads: 2, inner: 64 };

/** How a conversation is laid out: what node-llama-cpp finds in the file is what it uses. */
const usualTemplate =
  "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";

/**
 * `context`: tokens that it says it was trained for. `template`: for its conversations, in Jinja. `says`: what it does with
 * any prompt.
 */
export function tinyModel({
  context = 4096,
  template = usualTemplate,
  says = "letters",
}: {
  readonly context?: number;
  readonly template?: string;
  readonly says?: "letters" | "nothing";
} = {}): Buffer {
  const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));
  const bytes = Array.from(
    { length: 256 },
    (_, index) => `<0x${index.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, "\u2581", ...printable];
  const kinds = tokens.map((_, index) =>
    index === 0 ? 2 : index < 3 ? 3 : index < 3 + bytes.length ? 6 : 1,
  );
  const metadata: Readonly<Record<string, Value>> = {
    "general.architecture": text("llama"),
    "general.name": text("tiny"),
    "llama.context_length": count(context),
    "llama.embedding_length": count(size.width),
    "llama.block_count": count(size.layers),
    "llama.feed_forward_length": count(size.inner),
    "llama.attention.head_count": count(size.heads),
    "llama.attention.head_count_kv": count(size.heads),
    "llama.attention.layer_norm_rms_epsilon": { kind: "float", value: 1e-5 },
    "llama.rope.dimension_count": count(size.width / size.heads),
    "llama.vocab_size": count(tokens.length),
    "tokenizer.ggml.model": text("llama"),
    "tokenizer.ggml.tokens": { kind: "texts", value: tokens },
    "tokenizer.ggml.scores": { kind: "floats", value: tokens.map((_, index) => -index) },
    "tokenizer.ggml.token_type": { kind: "counts", value: kinds },
    "tokenizer.ggml.bos_token_id": count(1),
    "tokenizer.ggml.eos_token_id": count(endToken),
    "tokenizer.ggml.unknown_token_id": count(0),
    "tokenizer.chat_template": text(template),
  };
  const { width, inner } = size;
  // Whatever was read, the first of the width is large: it says printable characters without an end, or the end.
  const isFirst = (index: number) => index % width === 0;
  const isSpoken = (index: number) =>
    says === "letters" ? index / width >= 3 + bytes.length : Math.floor(index / width) === endToken;
  const layers = Array.from({ length: size.layers }, (_, layer): readonly Tensor[] => [
    { name: `blk.${layer}.attn_norm.weight`, shape: [width], steer: () => 1 },
    { name: `blk.${layer}.attn_q.weight`, shape: [width, width] },
    { name: `blk.${layer}.attn_k.weight`, shape: [width, width] },
    { name: `blk.${layer}.attn_v.weight`, shape: [width, width] },
    { name: `blk.${layer}.attn_output.weight`, shape: [width, width] },
    { name: `blk.${layer}.ffn_norm.weight`, shape: [width], steer: () => 1 },
    { name: `blk.${layer}.ffn_gate.weight`, shape: [width, inner] },
    { name: `blk.${layer}.ffn_up.weight`, shape: [width, inner] },
    { name: `blk.${layer}.ffn_down.weight`, shape: [inner, width] },
  ]);
  return file(metadata, [
    {
      name: "token_embd.weight",
      shape: [width, tokens.length],
      steer: (index) => (isFirst(index) ? 8 : undefined),
    },
    ...layers.flat(),
    { name: "output_norm.weight", shape: [width], steer: () => 1 },
    {
      name: "output.weight",
      shape: [width, tokens.length],
      steer: (index) => (isFirst(index) ? (isSpoken(index) ? 2 : -2) : undefined),
    },
  ]);
}

/** 32-bit floats; the first dimension is the one whose values lie side by side. */
interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** The value at an index, where it is not left to chance. */
  readonly steer?: (index: number) => number | undefined;
}

/** Version 3 of the format: header, metadata, what tensors there are, and their values, each from a multiple of 32. */
function file(metadata: Readonly<Record<string, Value>>, tensors: readonly Tensor[]): Buffer {
  const parts: Buffer[] = [
    Buffer.from("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(Object.keys(metadata).length),
  ];
  for (const [key, value] of Object.entries(metadata)) parts.push(words(key), bytesOfValue(value));
  let offset = 0;
  for (const { name, shape } of tensors) {
    parts.push(words(name), u32(shape.length), ...shape.map(u64), u32(0), u64(offset));
    offset += padded(bytesOf(shape));
  }
  const head = Buffer.concat(parts);
  const random = noise();
  const values = tensors.map(({ shape, steer }) => {
    const bytes = Buffer.alloc(padded(bytesOf(shape)));
    for (let index = 0; index < bytesOf(shape) / 4; index++)
      bytes.writeFloatLE(steer?.(index) ?? random(), 4 * index);
    return bytes;
  });
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length), ...values]);
}

function bytesOf(shape: readonly number[]): number {
  return 4 * shape.reduce((product, length) => product * length, 1);
}

const padded = (length: number) => Math.ceil(length / 32) * 32;

/** The same numbers every time, and small: what is steered has its way. */
function noise(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 32 - 0.5) / 5;
  };
}

function bytesOfValue(value: Value): Buffer {
  switch (value.kind) {
    case "text":
      return Buffer.concat([u32(8), words(value.value)]);
    case "count":
      return Buffer.concat([u32(4), u32(value.value)]);
    case "float":
      return Buffer.concat([u32(6), f32(value.value)]);
    case "texts":
      return list(8, value.value.map(words));
    case "floats":
      return list(6, value.value.map(f32));
    case "counts":
      return list(5, value.value.map(u32));
  }
}

function list(kind: number, values: readonly Buffer[]): Buffer {
  return Buffer.concat([u32(9), u32(kind), u64(values.length), ...values]);
}

function words(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
