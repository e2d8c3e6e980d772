/** Plans as the command line meets them: drawn by a model without beginning a goal, and written to a file. */
import { access, writeFile } from "node:fs/promises";
import type { Order } from "../domain/goal.ts";
import type { Plan } from "../domain/plan.ts";
import { openModel, secretsOf } from "../edges/models/open.ts";
import { readPlan, writePlan } from "../edges/plan/file.ts";
import { roughSize } from "../edges/tokens.ts";
import { UsageError } from "../faces/house.ts";
import { type Drawn, drawPlan } from "../work/planning.ts";
import type { Offer } from "../work/tools.ts";
import { type Inside, realClock } from "./inside.ts";

/** See House.drawPlan. The minutes of the order's budget cut a question that is out. */
export async function drawPlanFor(inside: Inside, order: Order, signal: AbortSignal): Promise<Drawn> {
  const { providers, polecat } = await inside.config();
  const repositories = await inside.repositories();
  const offers = await Promise.all(
    order.providers.map(async (name): Promise<Offer> => {
      const provider = providers.find((each) => each.name === name);
      if (provider === undefined) return { kind: "unusable", why: `no provider "${name}" is configured` };
      const opened = await openModel(provider, {
        variables: inside.variables,
        folder: inside.places.home,
        userFolder: inside.variables.HOME ?? "/",
        now: () => realClock.now(),
        given: [],
      });
      if (opened.kind === "unusable") return { kind: "unusable", why: `${name}: ${opened.why}` };
      const { contextTokens, outputTokensMax } = provider;
      return { kind: "model", model: opened.model, contextTokensMax: contextTokens, outputTokensMax };
    }),
  );
  const { wallMsMax } = order.budget;
  const over = wallMsMax === undefined ? undefined : AbortSignal.timeout(wallMsMax);
  const bounded = over === undefined ? signal : AbortSignal.any([signal, over]);
  const tools = {
    repository: await repositories.open(order.repository, order.base),
    offers,
    clock: realClock,
    secrets: secretsOf(providers, inside.variables).map((secret) => secret.reveal()),
    contextTokensMax: polecat.contextTokensMax,
    readPlan,
    size: roughSize,
  };
  try {
    return await drawPlan(order, tools, bounded);
  } catch (error) {
    if (over?.aborted !== true || signal.aborted) throw error;
    throw new UsageError("no plan came within --max-minutes: give it more of them");
  }
}

/** See House.canWritePlan. */
export async function requireNew(file: string, typed: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) throw new UsageError(`${typed} exists already: choose another --out, or remove it`);
}

/** See House.writePlan. */
export async function writePlanTo(
  file: string,
  typed: string,
  { plan, goal }: { readonly plan: Plan; readonly goal: string },
): Promise<void> {
  await writeFile(file, writePlan(plan, goal), { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === "EEXIST"
        ? `${typed} exists already: choose another --out, or remove it`
        : `${typed} cannot be written (${error.code}): choose another --out`,
    );
  });
}
