/** Programs of ours that run inside the jail and write one JSON object a line, the last one `{"end": true}`. */

/**
 * Stands in for `python -m unittest`: report path first, then unittest's own arguments. The folder it is started in is
 * put first on the module path, as `-m` does.
 */
export const unittestReporter = `import inspect, json, os, sys, unittest

path = sys.argv[1]
sys.argv = ["python -m unittest"] + sys.argv[2:]
sys.path[0] = os.getcwd()
out = open(path, "w", encoding="utf-8")


def write(entry, dumps=json.dumps):
    out.write(dumps(entry) + "\\n")


def file_of(test):
    try:
        return inspect.getsourcefile(type(test)) or ""
    except Exception:
        return ""


class Result(unittest.TextTestResult):
    def startTest(self, test):
        self.rigs = ("passed", "")
        super().startTest(test)

    def mark(self, status, message):
        if self.rigs[0] != "failed":
            self.rigs = (status, message)

    def stopTest(self, test):
        status, message = self.rigs
        write({"id": test.id(), "file": file_of(test), "status": status, "message": message[-4000:]})
        super().stopTest(test)

    def alone(self, test, error):
        if not isinstance(test, unittest.TestCase):
            message = self._exc_info_to_string(error, test)
            write({"id": test.id(), "file": "", "status": "failed", "message": message[-4000:]})

    def addError(self, test, error):
        super().addError(test, error)
        self.alone(test, error)
        if isinstance(test, unittest.TestCase):
            self.mark("failed", self.errors[-1][1])

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.mark("failed", self.failures[-1][1])

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.mark("failed", self._exc_info_to_string(error, subtest))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.mark("skipped", reason)

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.mark("skipped", "expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.mark("failed", "unexpected success")


class Runner(unittest.TextTestRunner):
    resultclass = Result

    def run(self, test):
        result = super().run(test)
        write({"end": True})
        out.close()
        return result


unittest.main(module=None, testRunner=Runner)
`;

/**
 * A reporter of node:test. It runs in the parent of the processes that load the tests, so they cannot reach into it. What
 * those print is passed on, and the end of a file's standard error is the reason of a file that could not be loaded:
 * node:test itself only says "test failed".
 */
export const nodeReporter = `
import { inspect } from "node:util";
const isFileEntry = (data) =>
  data.nesting === 0 && data.line === 1 && data.column === 1 && (data.file ?? "").endsWith(data.name);
const charactersMax = 4000;
const shown = (value) => inspect(value, { breakLength: Infinity, depth: 4, maxStringLength: 300 }).slice(0, 500);
/** An assertion with a message of its own does not say its values. */
const valuesIn = (cause) =>
  cause?.code === "ERR_ASSERTION" && cause.generatedMessage === false && "expected" in cause && "actual" in cause
    ? "\\n\\nExpected: " + shown(cause.expected) + "\\nReceived: " + shown(cause.actual)
    : "";
export default async function* report(source) {
  const names = new Map();
  const words = new Map();
  for await (const { type, data } of source) {
    const file = data.file ?? "";
    if (type === "test:stdout") process.stdout.write(data.message);
    if (type === "test:stderr") {
      process.stderr.write(data.message);
      const key = data.entryFile ?? file;
      words.set(key, ((words.get(key) ?? "") + data.message).slice(-charactersMax));
    }
    if (type === "test:start") {
      const stack = names.get(file) ?? [];
      stack.length = data.nesting;
      stack[data.nesting] = data.name;
      names.set(file, stack);
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    const parents = (names.get(file) ?? []).slice(0, data.nesting);
    const error = data.details?.error;
    const cause = error?.cause ?? error;
    const isSkipped = data.skip !== undefined || data.todo !== undefined;
    const isFailed = type === "test:fail" && data.todo === undefined;
    const isFile = isFileEntry(data);
    const said = String(cause?.stack ?? cause?.message ?? cause ?? "") + valuesIn(cause);
    const message = isFile ? (words.get(file) ?? "").trim() || said : said;
    yield JSON.stringify({
      names: [...parents, data.name],
      file,
      kind: isFile ? "file" : data.details?.type === "suite" ? "suite" : "test",
      failure: error?.failureType ?? "",
      status: isFailed ? "failed" : isSkipped ? "skipped" : "passed",
      message: isFailed ? message.slice(0, charactersMax) : "",
    }) + "\\n";
  }
  yield JSON.stringify({ end: true }) + "\\n";
}
`;
