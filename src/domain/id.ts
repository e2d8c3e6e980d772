/** Ids say what they name, so that one can never stand in for another. All are printable and safe in file names but for "/". */
type Id<Name extends string> = string & { readonly __id: Name };

/** Eight letters of Crockford's base 32, for example "k7m2q9xd". Also the branch: `rigs/<goal>`. */
export type GoalId = Id<"goal">;
/** The goal and a path of numbers, for example "k7m2q9xd.1" or "k7m2q9xd.1.2" for a child. */
export type BeadId = Id<"bead">;
/** The bead and a number: "k7m2q9xd.1/a1". */
export type AttemptId = Id<"attempt">;
/** The attempt and a number: "k7m2q9xd.1/a1/r3". */
export type RevisionId = Id<"revision">;
/** One question to a model: "k7m2q9xd.1/a1/c5". */
export type CallId = Id<"call">;
/** One worker in one process: "p1@4242". */
export type PolecatId = Id<"polecat">;
/** SHA-256 of the bytes, lower-case hexadecimal. */
export type BlobHash = Id<"blob">;
/** A git object name of a commit, 40 or 64 hexadecimal digits. */
export type Commit = Id<"commit">;

/** Crockford's base 32 without I, L, O, U: no two letters look alike. */
const letters = "0123456789abcdefghjkmnpqrstvwxyz";

/** A goal id from chance in [0, 1); 40 bits. The store refuses one that exists. */
export function goalId(random: () => number): GoalId {
  let text = "";
  for (let index = 0; index < 8; index++) text += letters[Math.floor(random() * letters.length)];
  return text as GoalId;
}

/** The n-th bead of a goal, or the n-th child of a bead; n counts from 1. */
export function beadId(parent: GoalId | BeadId, number: number): BeadId {
  return `${parent}.${number}` as BeadId;
}

export function attemptId(bead: BeadId, number: number): AttemptId {
  return `${bead}/a${number}` as AttemptId;
}

export function revisionId(attempt: AttemptId, number: number): RevisionId {
  return `${attempt}/r${number}` as RevisionId;
}

export function callId(attempt: AttemptId, number: number): CallId {
  return `${attempt}/c${number}` as CallId;
}

/** The goal a bead, attempt, revision or call belongs to: everything before the first dot. */
export function goalOf(id: BeadId | AttemptId | RevisionId | CallId): GoalId {
  return id.slice(0, id.indexOf(".")) as GoalId;
}

/** The bead an attempt, revision or call belongs to: everything before the first slash. */
export function beadOf(id: AttemptId | RevisionId | CallId): BeadId {
  return id.slice(0, id.indexOf("/")) as BeadId;
}

const goalPattern = /^[0-9a-hjkmnp-tv-z]{8}$/;
const beadPattern = /^[0-9a-hjkmnp-tv-z]{8}(\.[1-9][0-9]{0,5}){1,10}$/;

/** What a person typed, or undefined when it cannot be a goal's id. */
export function parseGoalId(text: string): GoalId | undefined {
  return goalPattern.test(text) ? (text as GoalId) : undefined;
}

/** What a person typed, or undefined when it cannot be a bead's id. */
export function parseBeadId(text: string): BeadId | undefined {
  return beadPattern.test(text) ? (text as BeadId) : undefined;
}
