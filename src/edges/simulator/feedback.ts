import type { Mending } from "./mutation.ts";

/**
 * What a repair prompt tells about the failure. Found by content alone: a name of a failing test, the value that was
 * expected and the one that came, a traceback. No heading is looked for, because a model is helped by what it reads,
 * not by where it stands.
 */
export interface Feedback {
  /** methods.md B4: 1 with the failing test and expected/got (or the exception), 0.5 with only a tail, 0.2 with nothing. */
  readonly factor: 1 | 0.5 | 0.2;
  /** Which row of the repair table applies: what kind of failure the text shows. */
  readonly mends: Mending;
}

/** `text` is what the user said since the model's last answer. */
export function feedbackIn(text: string): Feedback {
  const namesTest = testName.test(text);
  const showsValues = valuePatterns.some((pattern) => pattern.test(text));
  const showsPair = expectedWord.test(text) && gotWord.test(text);
  const isFull = namesTest && (showsValues || showsPair);
  const isTail = namesTest || showsValues || anyFailure.test(text);
  return { factor: isFull ? 1 : isTail ? 0.5 : 0.2, mends: mendingOf(text) };
}

/**
 * `test_add`, `TestAdd`, `tests/test_shop.py::test_add`, `check(add)` of a bare assertion script; of JavaScript
 * `cart.test.ts`, `test/cart.js > adds` and `it("adds"`.
 */
const testName =
  /\btest_\w+|\bTest[A-Z]\w+|\w\.py::\w+|\bcheck\(\w+\)|\w\.(?:test|spec)\.[cm]?[jt]sx?\b|\w\.[cm]?[jt]sx? > \S|\b(?:test|it)(?:\.\w+)?\(\s*["'`]/;
const expectedWord =
  /\b(?:expect(?:s|ed)?|wanted|should (?:be|have been|equal|return)|correct(?: value| answer)?)\b/i;
const gotWord =
  /\b(?:got|actual(?:ly)?|received|returned|came|came out|was instead|instead of|but was|produced)\b/i;

const valuePatterns: readonly RegExp[] = [
  // pytest's introspection: in its "E" margin, or with a value (not a call, as in a test's source) on the left.
  /^\s*E\s+(?:AssertionError:?\s*)?assert .+ (?:==|!=|<=?|>=?|is|in|not in) .+$/m,
  /\bassert (?:not )?(?:[-\d"'[({]|True\b|False\b|None\b).* (?:==|!=|<=?|>=?|is|in|not in) .+$/m,
  /AssertionError:? .*\S (?:==|!=|<=?|>=?|is not|not in|not equal to) \S/,
  /^\s*E?\s*\+\s+where .+ = .+$/m,
  // An exception with its message is what came instead of a value.
  /^\s*(?:E\s+)?(?:[\w.]+\.)?\w*(?:Error|Exception)(?: \[\w+\])?: \S/m,
  // node:assert's `1 !== 2` and chai's sentence.
  /^\s*(?:[-\d"'`[{]|(?:true|false|null|undefined|NaN)\b).* !==? \S.*$/m,
  /\bexpected .+ to (?:be|equal|deeply equal|strictly equal|contain|include|match|throw|have)\b/,
  /\b(?:NameError|AttributeError|TypeError|ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NotImplementedError)\b.*\S/,
  /\btim(?:ed|e) ?out\b/i,
];
const anyFailure =
  /\b(?:fail(?:s|ed|ure|ing)?|error|traceback|exit(?:ed)?(?: with)?(?: code| status)?:? [1-9]|assert(?:ion)?)\b|\w+Error\b/i;

/** The first row whose words appear: the outermost failure hides the others. */
function mendingOf(text: string): Mending {
  if (/\b(?:SyntaxError|IndentationError|TabError|invalid syntax)\b/.test(text)) return "syntax";
  if (
    /\b(?:ModuleNotFoundError|No module named|ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)|Failed to resolve import)\b/.test(
      text,
    )
  )
    return "import";
  if (
    /\b(?:ImportError|NameError|AttributeError|NotImplementedError|ReferenceError|does not provide an export named|is not (?:defined|a function))\b/.test(
      text,
    )
  )
    return "name";
  if (/\btim(?:ed|e) ?out\b|\bhangs?\b/i.test(text)) return "timeout";
  return "assertion";
}
