import * as z from "zod";

/** The limits of one account in a scenario file, as `quota.ts` counts them; units and defaults are said there. */
const Weights = z.strictObject({
  input: z.number().min(0).max(1_000),
  cachedInput: z.number().min(0).max(1_000),
  output: z.number().min(0).max(1_000),
});
const amount = z.number().min(0).max(1e12).optional();

const limits = {
  rpm: amount,
  tpm: amount,
  itpm: amount,
  otpm: amount,
  rpd: amount,
  concurrency: z.int().min(0).max(100_000).optional(),
  queueMax: z.int().min(0).max(100_000).optional(),
  burstPart: z
    .number()
    .min(1 / 3_600)
    .max(1)
    .optional(),
  windows: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9_]{1,20}$/, "like 5h or 7d"),
        allowance: z.number().min(0).max(1e15),
        periodMs: z
          .int()
          .min(1_000)
          .max(31 * 86_400_000),
      }),
    )
    .max(4)
    .optional(),
  weights: z.record(z.string(), Weights).optional(),
  roundTo: z.number().positive().max(1e6).optional(),
  shareStep: z.number().positive().max(1).optional(),
  foreign: z
    .strictObject({
      share: z.number().positive().max(0.99),
      everyMs: z.int().min(100).max(60_000).default(5_000),
    })
    .optional(),
};

const counting = z.enum(["anthropic", "openai", "gemini", "concurrency", "subscription"]);

export const Account = z.strictObject({
  key: z.string().max(1_000).optional(),
  models: z.array(z.string()).max(1_000).optional(),
  limits: z.strictObject({ counting, ...limits }),
  headers: z
    .strictObject({
      form: z.enum(["usual", "anthropic", "openai", "codex", "openrouter", "none"]).default("usual"),
      remainingFactor: z.number().min(0).max(1_000).default(1),
      resetShiftMs: z.int().min(-1e9).max(1e9).default(0),
      dateShiftMs: z.int().min(-1e10).max(1e10).default(0),
    })
    .prefault({}),
  changes: z
    .array(
      z.strictObject({
        afterMs: z.int().min(0).default(0),
        afterCalls: z.int().min(0).default(0),
        limits: z.strictObject(limits),
      }),
    )
    .max(1_000)
    .default([]),
});

export type Account = z.infer<typeof Account>;
