/** Reading JSON of callers: a shape, and the first thing that does not fit it, by its path. */
import { z } from "zod";
import { Untranslatable } from "./conversation.ts";

/** May be there and says nothing that another wire would have to know. */
export const ignored = z.unknown().optional();

/** Only these values can be left out without changing what is meant. */
export function only<Value extends string | number | boolean>(...values: readonly Value[]) {
  const passed = values.map((value) => JSON.stringify(value)).join(" or ");
  return z
    .unknown()
    .refine((value) => value === undefined || value === null || values.some((each) => each === value), {
      message:
        passed === ""
          ? "cannot be passed on: leave it out"
          : `can only be passed on as ${passed}: give that, or leave it out`,
    })
    .optional();
}

/** Throws Untranslatable. */
export function shaped<Shape extends z.ZodType>(shape: Shape, json: unknown): z.output<Shape> {
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [field, why] = faultIn(parsed.error.issues, []);
  throw new Untranslatable(field, why);
}

function faultIn(
  issues: readonly z.core.$ZodIssue[],
  above: readonly PropertyKey[],
): readonly [string, string] {
  const [first] = issues;
  if (first === undefined) return [nameOf(above), "cannot be passed on"];
  const path = [...above, ...first.path];
  if (first.code === "unrecognized_keys")
    return [nameOf([...path, first.keys[0] ?? ""]), "cannot be passed on to a provider of another kind"];
  if (first.code === "invalid_union" && first.errors.length > 0) {
    // The alternative that came furthest says most.
    const deepest = first.errors.toSorted((left, right) => depthOf(right) - depthOf(left))[0] ?? [];
    if (deepest.length > 0) return faultIn(deepest, path);
  }
  return [
    nameOf(path),
    first.code === "custom" ? first.message : `is not as it should be (${first.message})`,
  ];
}

function depthOf(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length));
}

function nameOf(path: readonly PropertyKey[]): string {
  return path.map(String).join(".").slice(0, 200) || "body";
}
