/** What a judge has to say, each thing with its weight. */

/** Sentences kept in a proof; what is beyond is counted in the last one. */
const reasonsMax = 40;
/** Tests named in one sentence. */
const namesMax = 3;

/** How grave a remark is. `blocks`: nothing is known; `refutes`: a promise is broken; `withholds`: no proof; `says`: for people. */
export type Weight = "blocks" | "refutes" | "withholds" | "says";

/** One sentence with what it does to the verdict. */
export interface Remark {
  readonly weight: Weight;
  readonly sentence: string;
}

/** The remark on these tests, named; none where there are none. */
export function some(
  cases: readonly { readonly id: string }[],
  remark: (tests: string) => Remark,
): readonly Remark[] {
  return cases.length === 0 ? [] : [remark(names(cases.map((each) => each.id)))];
}

/** The first few, and how many more. */
export function names(all: readonly string[]): string {
  const rest = all.length - namesMax;
  return all.slice(0, namesMax).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** The gravest first, each once, at most 40. */
export function sentences(remarks: readonly Remark[]): readonly string[] {
  const order: readonly Weight[] = ["blocks", "refutes", "withholds", "says"];
  const sorted = order.flatMap((weight) => remarks.filter((remark) => remark.weight === weight));
  const all = [...new Set(sorted.map((remark) => remark.sentence))];
  if (all.length <= reasonsMax) return all;
  return [...all.slice(0, reasonsMax - 1), `and ${all.length - reasonsMax + 1} more remarks`];
}

export function blocks(sentence: string): Remark {
  return { weight: "blocks", sentence };
}

export function refutes(sentence: string): Remark {
  return { weight: "refutes", sentence };
}

export function withholds(sentence: string): Remark {
  return { weight: "withholds", sentence };
}

export function says(sentence: string): Remark {
  return { weight: "says", sentence };
}
