import { expect, test } from "vitest";
import type { GoalId } from "../domain/id.ts";
import { VerifierError, VerifierLost } from "../ports/verifier.ts";
import { despiteLosses } from "./losses.ts";

const goal = "k7m2q9xd" as GoalId;

/** Fails in these ways, one after the other, then answers. */
function answering(...failures: readonly Error[]) {
  let asked = 0;
  const ask = async () => {
    const failure = failures[asked++];
    if (failure !== undefined) throw failure;
    return "answer";
  };
  return { ask, asked: () => asked };
}
const killed = () => new VerifierLost("the verifier process was killed (SIGKILL)");
const loss = { type: "verifier-lost", goal, why: "the verifier process was killed (SIGKILL)" };

test("a verifier that was killed is asked again, and each loss is told", async () => {
  expect(await despiteLosses(goal, answering().ask)).toEqual({ result: "answer", losses: [] });
  expect(await despiteLosses(goal, answering(killed(), killed()).ask)).toEqual({
    result: "answer",
    losses: [loss, loss],
  });
});

test("one that is killed every time interrupts the goal, and says how to go on", async () => {
  const dying = answering(killed(), killed(), killed());
  await expect(despiteLosses(goal, dying.ask)).rejects.toThrow(
    /killed \(SIGKILL\), 3 times over one run; nothing is lost: .* rigs goal resume k7m2q9xd$/,
  );
  expect(dying.asked()).toBe(3);
});

test("what it cannot do is not asked for again", async () => {
  const failing = answering(new VerifierError("the disk is full"));
  await expect(despiteLosses(goal, failing.ask)).rejects.toThrow("the disk is full");
  expect(failing.asked()).toBe(1);
});
