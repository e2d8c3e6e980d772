/**
 * The bench's own judge, independent of the verifier: the solution runs in a process of its own and can only answer
 * calls with plain values; the tests and the comparison with the reference run in another, which never loads it.
 * A solution that forges, patches or always compares equal gains nothing here, and one that only knows the inputs of
 * the tests disagrees with the reference on inputs changed a little.
 */

/** Runs as `python3 -I /judge/judge.py` with /judge/task.json beside it; the last line it prints is its finding. */
export const judgeProgram = String.raw`
import ast, copy, json, random, signal, subprocess, sys

task = json.load(open("/judge/task.json"))

CHILD = '''
import ast, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
source = open("/judge/solution.py").read()
space = {"__name__": "solution"}
exec(compile(source, "solution.py", "exec"), space)
entry = space[sys.argv[1]]
for line in sys.stdin:
    try:
        answer = "ok " + repr(entry(*ast.literal_eval(line)))
    except Exception as error:
        answer = "error " + type(error).__name__
    out.write(answer.replace("\\n", " ") + "\\n")
    out.flush()
'''

class Refused(Exception):
    pass

class Late(Exception):
    pass

def late(*_):
    raise Late()

signal.signal(signal.SIGALRM, late)

class Solution:
    def __init__(self):
        self.process = None

    def ask(self, args):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen([sys.executable, "-I", "-c", CHILD, task["entry_point"]],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        signal.alarm(5)
        try:
            self.process.stdin.write(repr(args) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except (Late, BrokenPipeError):
            self.process.kill()
            self.process = None
            raise Refused("no answer")
        finally:
            signal.alarm(0)
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind != "ok":
            raise Refused(rest or "no answer")
        try:
            return ast.literal_eval(rest)
        except Exception:
            raise Refused("not a plain value: " + rest[:80])

space = {"__name__": "reference"}
exec(compile(task["reference"], "reference.py", "exec"), space)
reference = space[task["entry_point"]]
solution = Solution()
calls = []

def recorded(*args):
    calls.append(copy.deepcopy(args))
    return reference(*args)

def tests():
    names = dict(space)
    names["__name__"] = "tests"
    exec(compile(task["test"], "test.py", "exec"), names)
    return names["check"]

random.seed(1)
tests()(recorded)
random.seed(1)
try:
    def asked(*args):
        return solution.ask(args)
    names = dict(space)
    names[task["entry_point"]] = asked
    exec(compile(task["test"], "test.py", "exec"), names)
    names["check"](asked)
    passes, why = True, ""
except BaseException as error:
    passes, why = False, (type(error).__name__ + ": " + str(error))[:200]

def changed(value, chance):
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(0, value + chance.choice([-1, 1, 2])) if value >= 0 else value - 1
    if isinstance(value, float):
        return value + chance.choice([-0.5, 0.25, 1.5])
    if isinstance(value, str):
        if len(value) < 2:
            return value
        at = chance.randrange(len(value))
        return value[:at] + value[at + 1:] if chance.random() < 0.5 else value[at:] + value[:at]
    if isinstance(value, (list, tuple)):
        items = [changed(item, chance) for item in value]
        if len(items) > 1 and chance.random() < 0.5:
            items.pop(chance.randrange(len(items)))
        return type(value)(items)
    return value

def same(left, right):
    if isinstance(left, float) or isinstance(right, float):
        try:
            return abs(left - right) <= 1e-6 * max(1.0, abs(left), abs(right))
        except Exception:
            return False
    return left == right

chance = random.Random(7)
compared = agreed = 0
for args in calls[:12]:
    for _ in range(3):
        other = tuple(changed(item, chance) for item in copy.deepcopy(args))
        if other in calls:
            continue
        signal.alarm(2)
        try:
            wanted = reference(*copy.deepcopy(other))
            ast.literal_eval(repr(wanted))
        except BaseException:
            continue
        finally:
            signal.alarm(0)
        compared += 1
        try:
            agreed += 1 if same(wanted, solution.ask(other)) else 0
        except Refused:
            pass
if solution.process is not None:
    solution.process.kill()
print(json.dumps({"passes": passes, "why": why, "compared": compared, "agreed": agreed}))
`;

export interface Finding {
  readonly passes: boolean;
  readonly why: string;
  /** Inputs near those of the tests on which solution and reference were compared, and on how many they agree. */
  readonly compared: number;
  readonly agreed: number;
}

/** The program's last line, or undefined when it says nothing that can be read. */
export function parseFinding(stdout: string): Finding | undefined {
  try {
    const value = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Finding;
    return typeof value.passes === "boolean" && Number.isInteger(value.compared) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Right: the task's own tests hold, and where enough neighbours could be compared, most of them agree. */
export function isRight({ passes, compared, agreed }: Finding): boolean {
  return passes && (compared < 4 || agreed * 2 >= compared);
}
