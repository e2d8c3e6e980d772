import type { Reply } from "../../domain/reply.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Model } from "../../ports/model.ts";
import { sampleCounter } from "./desk.ts";
import { answer, requestKey } from "./noise.ts";
import type { Profile } from "./profile.ts";
import type { TaskSet } from "./taskset.ts";
import { countTokens, promptCache, promptTextOf } from "./tokens.ts";

/** The same model as behind the HTTP server, in this process: for simulations of the whole system. */
export function simulatedModel(settings: {
  readonly provider: string;
  readonly taskSet: TaskSet;
  readonly profile: Profile;
  readonly seed: number;
  readonly clock: Clock;
}): Model {
  const { provider, taskSet, profile, seed, clock } = settings;
  const samples = sampleCounter();
  const cache = promptCache();
  return {
    provider,
    name: profile.name,
    price: profile.price,
    async ask(prompt, signal, onText) {
      signal.throwIfAborted();
      const from = clock.now();
      const text = promptTextOf(prompt);
      const input = countTokens(text);
      const room = profile.contextTokensMax - input;
      if (room <= 0) return tooLarge(input, profile);
      const sample = samples.next(requestKey(prompt, taskSet));
      const outputTokensMax = Math.min(prompt.outputTokensMax, room);
      const said = answer({ ...prompt, outputTokensMax, sample }, taskSet, profile, seed);
      const output = countTokens(said.text);
      const ms =
        profile.firstTokenMs + (profile.tokensPerSecond > 0 ? (output / profile.tokensPerSecond) * 1000 : 0);
      if (ms > 0) await clock.sleep(ms, signal);
      signal.throwIfAborted();
      onText?.(said.text);
      const shared = cache.share(profile.name, text);
      const usage = { input, cachedInput: shared < cacheTokensMin ? 0 : Math.min(shared, input), output };
      return {
        kind: "said",
        text: said.text,
        finish: said.finish,
        usage,
        headers: {},
        wallMs: clock.now() - from,
      };
    },
  };
}

/** Both vendors cache nothing shorter. */
const cacheTokensMin = 1_024;

function tooLarge(tokens: number, { contextTokensMax }: Profile): Reply {
  const why = `the prompt has ${tokens} tokens, the model holds ${contextTokensMax}`;
  const usage = { input: 0, cachedInput: 0, output: 0 };
  return { kind: "failed", fault: { kind: "too-large", why }, usage, headers: {}, readings: [], wallMs: 0 };
}
