/**
 * Tokens (o200k) of what every coder prompt holds before it holds anything of the goal: the system text, and the first
 * message of an empty goal in an empty repository. `node bench/prompt.ts`
 */
import { coderPrompt, coderSystem } from "../src/domain/prompt.ts";
import { loadSizeOf } from "../src/edges/tokens.ts";
import { print } from "./figure.ts";

const size = await loadSizeOf();
const { system, messages } = coderPrompt({
  goal: "",
  standing: "",
  checks: [],
  protect: [],
  readOnly: new Set(),
  lessons: [],
  files: new Map(),
  changed: new Map(),
  named: [],
  opening: { kind: "draft" },
  history: [],
  size,
});
const frame = messages.reduce((sum, message) => sum + size(message.text), 0);
print({
  name: "fixed coder prompt, system text and empty first message",
  ours: size(system) + frame,
  unit: "tokens",
  baseline: { name: "system text alone", value: size(coderSystem) },
  goal: { kind: "at-most", max: 1_200 },
});
