/** One request from its address to its last byte: key, limits, rules, answer, and the leaving of its seat. */
import { once } from "node:events";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { noUsage } from "../../domain/reply.ts";
import type { Clock } from "../../kit/clock.ts";
import { seedOf } from "../../kit/random.ts";
import type { Accounts, Seat } from "./accounts.ts";
import type { Allowance } from "./allowance.ts";
import type { RequestBook } from "./book.ts";
import type { Desk, Refusal, Said, Wish } from "./desk.ts";
import { type Busy, busyWith } from "./metrics.ts";
import type { QuotaRefusal } from "./quota.ts";
import { delayed, type Pace, streamed, written } from "./stream.ts";
import { type ToldHeaders, toldOf } from "./told.ts";
import type { ErrorAnswer, Place, ReadBody, Wire } from "./wire.ts";

/** What all requests of a server share. */
export interface Counter {
  readonly desk: Desk;
  readonly book: RequestBook;
  readonly allowance: Allowance;
  readonly accounts: Accounts;
  readonly busy: Busy;
  readonly clock: Clock;
  /** The only key that is accepted; undefined: any. */
  readonly key: string | undefined;
  readonly begunAt: number;
  readonly closed: AbortSignal;
}

export function isAllowed({ key }: Counter, wire: Wire, context: Context): boolean {
  return key === undefined || wire.keyIn(context.req.raw.headers) === key;
}

export async function serve(counter: Counter, wire: Wire, context: Context, place: Place): Promise<Response> {
  if (!isAllowed(counter, wire, context)) return refuse(counter, wire, plainly("unauthorized"), "");
  const headers = context.req.raw.headers;
  const request = wire.read(await jsonOf(context), headers, place);
  if (request.kind === "refused") return refuse(counter, wire, plainly("bad-request", request.message), "");
  const key = wire.keyIn(headers);
  const { model, asked } = request;
  const sinceMs = counter.clock.now() - counter.begunAt;
  const wish = { wire: wire.name, model, owner: seedOf(key).toString(36), key, sinceMs, asked };
  const seating = seatFor(counter, wire, wish, request);
  if (seating?.kind === "refused") {
    const { limit, headers: told } = seating;
    return refuse(counter, wire, { ...plainly("rate-limit"), limit, told }, model);
  }
  return answer(counter, wire, context, { request, wish, seat: seating?.seat });
}

/** Undefined: nobody counts it. */
function seatFor(counter: Counter, wire: Wire, wish: Wish, request: ReadBody) {
  if (!counter.accounts.counts(wish.key, wish.model)) return undefined;
  const prompt = counter.desk.measure(wish);
  if (prompt === undefined) return undefined;
  const { outputTokensMax } = request.asked;
  return counter.accounts.seat(wish.key, wire, {
    model: wish.model,
    input: prompt.input,
    cachedInput: request.wantsCache ? prompt.cachedInput : 0,
    outputMax: outputTokensMax === Number.MAX_SAFE_INTEGER ? 0 : outputTokensMax,
  });
}

interface Order {
  readonly request: ReadBody;
  readonly wish: Wish;
  readonly seat: Seat | undefined;
}

/** Whatever happens, the seat is left: by a refusal at once, by an answer with its last byte, by a client that is gone. */
async function answer(counter: Counter, wire: Wire, context: Context, order: Order): Promise<Response> {
  const { wish, seat } = order;
  const isBusy = busyWith(counter.busy, wish.model, seat?.turn);
  const signal = AbortSignal.any([context.req.raw.signal, counter.closed]);
  let outputTokens = 0;
  const leave = (isFailed: boolean) => {
    isBusy[Symbol.dispose]();
    seat?.leave({ outputTokens, isFailed });
  };
  const pace: Pace = {
    clock: counter.clock,
    signal,
    turn: seat?.turn,
    wrote(tokens) {
      outputTokens += tokens;
      seat?.wrote(tokens);
    },
  };
  const reply = counter.desk.answer(wish);
  if (reply.kind === "refused") {
    leave(true);
    return refuse(counter, wire, reply, wish.model);
  }
  if (reply.kind === "hung") {
    await hang(counter, wire, wish, signal);
    leave(true);
    return broken(context);
  }
  const { said } = reply;
  const over = (isFailed: boolean) => {
    if (!isFailed) outputTokens = said.usage.output;
    leave(isFailed || said.broken !== undefined);
  };
  return tell(counter, wire, context, { ...order, said, pace, over });
}

interface Told extends Order {
  readonly said: Said;
  readonly pace: Pace;
  over(isFailed: boolean): void;
}

async function tell(counter: Counter, wire: Wire, context: Context, told: Told): Promise<Response> {
  const { request, said, wish, seat, pace, over } = told;
  const call = counter.book.next();
  const at = counter.clock.now();
  const usage = request.wantsCache ? said.usage : { ...said.usage, cachedInput: 0 };
  const { truths, envelope } = said;
  const { model, isStream } = request;
  const fault = isStream ? undefined : said.broken?.fault;
  const failure = errorOf(wire, said.broken?.fault ?? "overloaded", { model, call, at });
  const status = fault === undefined ? 200 : failure.status;
  counter.book.add({ call, at, wire: wire.name, model, status, isStream, usage, truths, envelope });
  const free = () =>
    toldOf(wire.limits, counter.allowance.draw(`${wish.owner}/${model}`, usage, at), at, false);
  const headers = { ...(seat?.headers ?? free()), [wire.idHeader]: requestIdOf(call) };
  const telling = { said, request, at };
  if (isStream) {
    const broke = said.broken?.fault === undefined ? undefined : wire.broken(failure.body);
    const sending = { ...pace, headers, failure: broke, tear: () => tear(context) };
    return streamed(wire, telling, sending, over);
  }
  if (fault !== undefined) {
    over(true);
    return Response.json(failure.body, { status, headers: failure.headers });
  }
  if (said.broken !== undefined) {
    over(true);
    return broken(context);
  }
  const whole = async () => {
    await written(said, pace);
    return wire.body(telling);
  };
  if (pace.turn !== undefined && wire.keepAlive !== undefined)
    return delayed(wire, whole, pace, headers, over);
  try {
    await pace.turn;
    const body = await whole();
    over(false);
    return Response.json(body, { headers });
  } catch (error) {
    over(true);
    if (!pace.signal.aborted) throw error;
    return broken(context);
  }
}

/** Undefined for what is no JSON: no wire's schema accepts it. */
async function jsonOf(context: Context): Promise<unknown> {
  try {
    return (await context.req.json()) as unknown;
  } catch {
    return undefined;
  }
}

export function plainly(fault: Refusal["fault"], message?: string): Refusal {
  return { kind: "refused", fault, message, retryAfterSeconds: undefined };
}

type Refused = Refusal & { readonly limit?: QuotaRefusal; readonly told?: ToldHeaders };

export function refuse(counter: Counter, wire: Wire, refusal: Refused, model: string): Response {
  const call = counter.book.next();
  const at = counter.clock.now();
  const error = errorOf(wire, refusal.fault, { ...refusal, model, call, at });
  counter.book.add({ ...silent, call, at, wire: wire.name, model, status: error.status });
  return Response.json(error.body, { status: error.status, headers: { ...refusal.told, ...error.headers } });
}

interface ErrorFacts extends Partial<Pick<Refused, "message" | "retryAfterSeconds" | "limit">> {
  readonly model: string;
  readonly call: number;
  readonly at: number;
}

function errorOf(wire: Wire, fault: Refusal["fault"], facts: ErrorFacts): ErrorAnswer {
  const { model, call, at, message, retryAfterSeconds, limit } = facts;
  return wire.error(fault, { model, at, message, retryAfterSeconds, limit, requestId: requestIdOf(call) });
}

function requestIdOf(call: number): string {
  return `req_${String(call).padStart(8, "0")}`;
}

const silent = { isStream: false, usage: noUsage, truths: [], envelope: [] };
const hangMsMax = 600_000;

async function hang(counter: Counter, wire: Wire, { model }: Wish, signal: AbortSignal): Promise<void> {
  const call = counter.book.next();
  counter.book.add({ ...silent, call, at: counter.clock.now(), wire: wire.name, model, status: 0 });
  await counter.clock.sleep(hangMsMax, signal).catch(() => undefined);
}

/** No answer: the connection is torn. The adapter prints what a stream throws, hence not by an error. */
async function broken(context: Context): Promise<Response> {
  await tear(context);
  return RESPONSE_ALREADY_SENT;
}

async function tear(context: Context): Promise<void> {
  const { outgoing } = context.env as HttpBindings;
  const { socket } = outgoing;
  if (socket === null || socket.destroyed) return;
  const gone = once(socket, "close");
  socket.destroySoon();
  await gone;
}
