/**
 * Events of older shapes as today's code knows them. An event is never rewritten: its stored text is what the chain
 * covers, so it is brought up to date each time it is read.
 */

/** The body of an event as it was stored; nothing about it is known but that it is JSON. */
export type StoredBody = Record<string, unknown>;

/** From the shape of version n to that of n + 1, for each n below today's. A shape that changes gets its entry here. */
export type Upcasts = Readonly<Record<number, (body: StoredBody) => StoredBody>>;

export const upcasts: Upcasts = { 1: fromFirst, 2: fromSecond, 3: fromThird };

/**
 * Shape 1 was written while Rigs grew, so an event of it may have any of these fields already. What is missing gets what
 * was the only way then; what may be undefined today needs nothing.
 */
function fromFirst(body: StoredBody): StoredBody {
  switch (body.type) {
    case "goal-created":
      return { ...body, order: orderOf(bodyOf(body.order)) };
    case "base-surveyed":
      return { ...body, results: listOf(body.results).map((result) => ({ wallMs: 0, ...result })) };
    case "bead-created":
      return { ...body, contract: { exports: [], behaviours: [], ...bodyOf(body.contract) } };
    case "bead-parked":
      return { cause: "work", ...body };
    case "goal-ended":
      return { ...body, end: { isInputFault: false, ...bodyOf(body.end) } };
    default:
      return body;
  }
}

/** Shape 2 said only in words who had taken a bead off. */
function fromSecond(body: StoredBody): StoredBody {
  if (body.type !== "bead-cancelled") return body;
  return { by: body.why === "by the user" ? "person" : "goal", ...body };
}

/** Shape 3 knew no goal that goes before others. */
function fromThird(body: StoredBody): StoredBody {
  if (body.type !== "goal-created") return body;
  return { ...body, order: { priority: 2, ...bodyOf(body.order) } };
}

const orderOfFirst = {
  allowDependencies: false,
  mode: { kind: "solo", why: "it was begun before goals could be trees" },
  workersMax: 1,
  begins: "at-once",
  keepRevisions: false,
};

function orderOf(order: StoredBody): StoredBody {
  const mode = bodyOf(order.mode ?? orderOfFirst.mode);
  const plan = mode.plan === undefined ? {} : { plan: upcastPlan(bodyOf(mode.plan)) };
  return { ...orderOfFirst, ...order, mode: { ...mode, ...plan } };
}

/** A plan as it was kept, in an order or as a blob, with the fields that its beads have today. */
export function upcastPlan(plan: StoredBody): StoredBody {
  const beadOf = (bead: StoredBody): StoredBody => ({
    ...{ shares: [], ...bead },
    beads: listOf(bead.beads).map(beadOf),
  });
  return { ...plan, beads: listOf(plan.beads).map(beadOf) };
}

function bodyOf(value: unknown): StoredBody {
  return typeof value === "object" && value !== null ? (value as StoredBody) : {};
}

function listOf(value: unknown): readonly StoredBody[] {
  return Array.isArray(value) ? value.map(bodyOf) : [];
}
