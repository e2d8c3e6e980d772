/**
 * The witness: test files whose tests cannot pass. Each test runs as it is and then fails, and on the way every assertion
 * is asked for something wrong. An honest assertion refuses; one that the change has gutted lets it through, and the test
 * fails with the mark instead.
 *
 * 1. What comes out parses; where wrong assertions do not, the tests only fail at their end.
 * 2. The mark's words stand nowhere in the text in one piece: a runner that shows source lines does not show the mark.
 */
import { randomBytes } from "node:crypto";
import type { Node, Parser } from "web-tree-sitter";
import { wrongPython } from "./assertion-python.ts";
import { trying, wrongExpression, wrongScript } from "./assertion-script.ts";
import { functionsIn, isBlock, scriptBody, scriptFunctions } from "./body.ts";
import { type Grammar, grammarOf, parserOf, walk } from "./grammar.ts";
import { type Names, namesIn } from "./names-script.ts";
import { apply, type Piece, parses, type Rewritten } from "./piece.ts";
import { questionFunctions } from "./question.ts";
import { questionOf } from "./question-script.ts";
import { everydayNumber, everydayWords } from "./words.ts";
import { otherFunction } from "./wrong.ts";

/** Larger files are left alone. */
const charactersMax = 1024 * 1024;

/** What every test ends with. */
export const failed = `assert ${everydayNumber() % 1_000} == ${everydayNumber()}`;
const halves = [`${everydayWords(3)} `, everydayWords(3)] as const;
/** What a test ends with whose assertions let a wrong value through. */
export const letThrough = halves.join("");
const flag = `v${randomBytes(4).toString("hex")}`;

/** One test file with every test made to fail. */
export async function withFailures(path: string, text: string): Promise<Rewritten> {
  const grammar = grammarOf(path);
  const nothing = { path, text: undefined, names: [] };
  if (grammar === undefined || text.length > charactersMax) return nothing;
  const parser = await parserOf(grammar);
  try {
    return grammar.family === "python"
      ? pythonFile(parser, path, text, grammar)
      : scriptFile(parser, path, text, grammar);
  } finally {
    parser.delete();
  }
}

function pythonFile(parser: Parser, path: string, text: string, grammar: Grammar): Rewritten {
  const names = (functionsIn(parser, text, grammar) ?? []).map((each) => each.name);
  const tests = names.filter((name) => /(^|\.)test/i.test(name));
  if (tests.length === 0) return { path, text: undefined, names: [] };
  const root = parser.parse(text)?.rootNode;
  const [head, tail] = halves.map((half) => JSON.stringify(half));
  const raise = `raise AssertionError(${head} ${tail})`;
  const asked = root === undefined ? text : apply(text, wrongPython(root, text, raise));
  const body = parses(parser, asked) ? asked : text;
  const functions =
    otherFunction(body, "python", grammar) + questionFunctions(body, "python", grammar, raise);
  return { path, text: body + functions + pythonWitness, names: tests };
}

/**
 * At the end of a test file: each of its tests runs as it is, and then fails. What stands for a test has its name, place,
 * parameters and attributes, and no more of them: code must not learn from it which run this is.
 */
const pythonWitness = `


def __rigs_witness():
    import functools
    import inspect

    def failing(test):
        code = test.__code__
        count, named = code.co_argcount, code.co_kwonlyargcount
        names = list(code.co_varnames)
        parts = names[:count]
        given = list(parts)
        if getattr(code, "co_posonlyargcount", 0):
            parts.insert(code.co_posonlyargcount, "/")
        rest = names[count + named:]
        if code.co_flags & 4:
            parts.append("*" + rest[0])
            given.append("*" + rest.pop(0))
        elif named:
            parts.append("*")
        parts += names[count : count + named]
        given += [name + "=" + name for name in names[count : count + named]]
        if code.co_flags & 8:
            parts.append("**" + rest[0])
            given.append("**" + rest[0])
        called = code.co_name if code.co_name.isidentifier() else "test"
        isAsync = inspect.iscoroutinefunction(test)
        text = (
            "def made(${flag}):\\n "
            + ("async " if isAsync else "") + "def " + called + "(" + ", ".join(parts) + "):\\n  "
            + ("await " if isAsync else "") + "${flag}(" + ", ".join(given) + ")\\n"
            + "  raise AssertionError('${failed}')\\n return " + called
        )
        space = {"__name__": __name__}
        exec(compile(text, code.co_filename, "exec"), space)
        ended = space["made"](test)
        ended.__code__ = ended.__code__.replace(co_firstlineno=code.co_firstlineno)
        ended.__defaults__, ended.__kwdefaults__ = test.__defaults__, test.__kwdefaults__
        ended.__annotations__ = test.__annotations__
        ended.__name__, ended.__qualname__ = test.__name__, test.__qualname__
        ended.__doc__, ended.__module__ = test.__doc__, test.__module__
        ended.__dict__.update(test.__dict__)
        return ended

    def visit(owner, names, put, depth):
        for name, value in list(names.items()):
            if inspect.isfunction(value) and name.lower().startswith("test"):
                put(name, failing(value))
            elif inspect.isclass(value) and value.__module__ == __name__ and depth < 5:
                visit(value, vars(value), functools.partial(setattr, value), depth + 1)

    visit(None, globals(), globals().__setitem__, 0)


__rigs_witness()
del __rigs_witness
`;

function scriptFile(parser: Parser, path: string, text: string, grammar: Grammar): Rewritten {
  const nothing = { path, text: undefined, names: [] };
  const root = parser.parse(text)?.rootNode;
  if (root === undefined || root.hasError) return nothing;
  const tests = testsIn(root);
  if (tests.length === 0) return nothing;
  const names = namesIn(root);
  for (const known of [names, undefined]) {
    const put = apply(
      text,
      tests.flatMap((test) => failingTest(test, known)),
    );
    const whole = put + otherFunction(put, "script", grammar) + questionFunctions(put, "script", grammar, "");
    if (parses(parser, whole)) return { path, text: whole, names: [`${path}: ${tests.length} tests`] };
  }
  return nothing;
}

interface Test {
  readonly callback: Node;
  readonly body: Node;
}

/** The callbacks of `test`, `it` and their kin. */
function testsIn(root: Node): readonly Test[] {
  const tests: Test[] = [];
  walk(root, (node) => {
    if (node.type !== "call_expression" || !isTestCall(node.childForFieldName("function"))) return "inside";
    const given = node.childForFieldName("arguments")?.namedChildren ?? [];
    const callback = given.findLast((each) => each !== null && scriptFunctions.has(each.type));
    const body = callback == null ? undefined : scriptBody(callback);
    if (callback == null || body === undefined) return "inside";
    tests.push({ callback, body });
    return "past";
  });
  return tests;
}

/** A test that ends in a failure whatever it returns; with the mark when one of its assertions was seen through. */
function failingTest({ callback, body }: Test, names: Names | undefined): readonly Piece[] {
  const [head, tail] = halves.map((half) => JSON.stringify(half));
  const said = names === undefined ? `"${failed}"` : `${flag} ? ${head} + ${tail} : "${failed}"`;
  const error = `Object.assign(new Error(${said}), { name: "AssertionError", code: "ERR_ASSERTION" })`;
  const start = names === undefined ? "{ try " : `{ let ${flag} = false; try `;
  const end = ` finally { throw ${error}; } }`;
  const at = { start: body.startIndex, end: body.startIndex };
  const behind = { start: body.endIndex, end: body.endIndex };
  if (isBlock(body))
    return [
      { ...at, text: start },
      ...(names === undefined ? [] : wrongScript(body, names, flag)),
      { ...behind, text: end },
    ];
  const wrong = names === undefined ? undefined : wrongExpression(body, names);
  const question = names === undefined ? undefined : questionOf(body, names);
  const asked = question === undefined ? "" : `${flag} ||= ${question}; `;
  if (wrong !== undefined) {
    const { before, behind: after } = trying(flag);
    const opened = asked === "" ? before : `{ ${asked}${before}`;
    return [
      { ...at, text: start + opened },
      ...wrong,
      { ...behind, text: after + (asked === "" ? end : ` }${end}`) },
    ];
  }
  const isAsync = callback.children.some((child) => child?.type === "async");
  return [
    { ...at, text: `${start}{ ${asked}return ${isAsync ? "await " : ""}(` },
    { ...behind, text: `); }${end}` },
  ];
}

/** `test`, `it.only`, `test.each(rows)`, `t.test`. */
function isTestCall(callee: Node | null): boolean {
  if (callee === null) return false;
  if (callee.type === "identifier") return callee.text === "test" || callee.text === "it";
  if (callee.type === "call_expression") return isTestCall(callee.childForFieldName("function"));
  if (callee.type !== "member_expression") return false;
  return (
    isTestCall(callee.childForFieldName("object")) || callee.childForFieldName("property")?.text === "test"
  );
}
