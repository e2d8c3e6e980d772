/** Marks of code that reaches for what judges it: patterns of one line. */

/** What one line is a sign of. */
export interface Mark {
  readonly pattern: RegExp;
  readonly why: string;
}

/** Marks of code that reaches for the process or the runner that judges it. */
export const marks: readonly Mark[] = [
  {
    pattern: /\bos\s*\.\s*_exit\b|\bfrom\s+os\s+import\b.*\b_exit\b/,
    why: "ends the process at once (os._exit)",
  },
  { pattern: /\bjunit(xml|_family|-xml)?\b|--test-reporter|--outputFile\b/i, why: "names a test report" },
  { pattern: /\/proc\/(self|\d+|%d|\$)|["'`]\/proc["'`]/, why: "reads or writes the process through /proc" },
  {
    pattern: /\bsys\s*\.\s*modules\s*\[?\s*[.(]?\s*(get\s*\(\s*)?["'](_?pytest|unittest|__main__|builtins)/,
    why: "reaches for a loaded module of the runner (sys.modules)",
  },
  {
    pattern:
      /^\s*(import\s+(_?pytest|unittest|pluggy|nose)\b|from\s+(_?pytest|unittest|pluggy|nose)\b[\w.]*\s+import\b)/,
    why: "imports a test runner outside tests",
  },
  {
    pattern:
      /(\bfrom\s+|\brequire\s*\(\s*|\bimport\s*\(\s*|^\s*import\s+)["'](node:test|vitest|jest|@jest\/|@vitest\/|mocha)[^"']*["']/,
    why: "imports a test runner outside tests",
  },
  {
    pattern: /\bsys\s*\.\s*_getframe\b|\binspect\s*\.\s*(stack|currentframe|getouterframes)\b/,
    why: "looks at who calls it",
  },
  {
    pattern: /\bPYTEST_CURRENT_TEST\b|\b(VITEST|JEST)_(WORKER|POOL)_ID\b|\bNODE_TEST_CONTEXT\b/,
    why: "asks whether it is being tested",
  },
  {
    pattern:
      /\bdef\s+__(eq|ne|hash)__\b.*:\s*return\s+(True|False)\b|\b__(eq|ne)__["']?\s*[=:,]\s*lambda\b[^:]*:\s*(True|False|1|0)\b/,
    why: "an equality that is always the same",
  },
  {
    pattern: /\bbuiltins\s*\.\s*\w+\s*=[^=]|\bsetattr\s*\(\s*builtins\b|__builtins__\s*(\[|\.)/,
    why: "changes Python's builtins",
  },
  {
    pattern:
      /(?<!\b(?:const|let|var|import)\s)\b(assert|expect|AssertionError)\s*=[^=>]|\bassert\.(equal|strictEqual|deepEqual|deepStrictEqual|ok)\s*=[^=]|\bunittest\.TestCase\.\w+\s*=[^=]/,
    why: "changes what an assertion does",
  },
  {
    pattern:
      /\b(?:__import__|import_module)\s*\(\s*["'](?:_?pytest|unittest|pluggy|nose|builtins)\b|\b(?:__import__|import_module)\s*\(\s*["']\w*["']\s*\+\s*["']/,
    why: "loads a test runner by its name",
  },
  {
    pattern: /\bfor\b.{0,80}\bin\b.{0,40}\bsys\s*\.\s*modules\b(?!\s*\[)/,
    why: "searches the loaded modules (sys.modules)",
  },
  { pattern: /\btb_frame\b|\bf_back\b|\bf_globals\b/, why: "looks at the frames of its callers" },
  {
    pattern: /\b(?:sys|threading)\s*\.\s*set(?:trace|profile)\s*\(/,
    why: "traces what runs",
  },
  {
    pattern:
      /\bprocess\s*\.\s*mainModule\b|\bmodule\s*\.\s*constructor\b|\brequire\s*\.\s*cache\b|\bModule\s*\.\s*_load\b|\bsyncBuiltinESMExports\b/,
    why: "reaches into how modules are loaded",
  },
  {
    pattern:
      /\b(?:globalThis|global)\s*(?:\.\s*|\[\s*["'])(?:expect|assert|test|it|describe)(?:["']\s*\])?\s*=[^=]/,
    why: "replaces what the tests call",
  },
  { pattern: /\basymmetricMatch\b/, why: "passes for a matcher of tests" },
  {
    pattern:
      /\b(?:open|readFile|readFileSync|createReadStream|Path|getlines?)\s*\(\s*(?:[^"'`)]{0,60}[,/+(]\s*)?[rf]?["'`](?:[^"'`]*[/_.-])?tests?(?:[/_.-][^"'`]*)?["'`]/,
    why: "opens the tests",
  },
  {
    pattern: /\bgc\s*\.\s*get_(objects|referrers)\b|\bctypes\s*\.\s*pythonapi\b/,
    why: "reaches into the interpreter",
  },

  { pattern: /\bgetBuiltinModule\s*\(/, why: "reaches into how modules are loaded" },
  {
    pattern:
      /\bdef\s+__(?:contains|[gl][te]|bool|instancecheck|subclasscheck|subclasshook)__\b.*:\s*return\s+(?:True|1)\b|\b__(?:contains|[gl][te]|instancecheck|subclasshook)__["']?\s*[=:,]\s*(?:classmethod\s*\(\s*)?lambda\b[^:]*:\s*(?:True|1)\b/,
    why: "a comparison that is always true",
  },
];

/** Marks that no test needs, in tests that the change brings. Importing a runner is ordinary there, and so are stand-ins. */
export const testMarks: readonly Mark[] = [
  {
    pattern: /^\s*(?:import|from)\s+(?:_pytest|pluggy)\b|["']_pytest\b/,
    why: "reaches into the test runner",
  },
  {
    pattern: /\bruntest\b|\bpytest_(?:runtest|pyfunc|plugins|collection)\w*/,
    why: "changes how tests are run",
  },
  { pattern: /\b__wrapped__\b|\b(?:co_code|co_consts|co_names)\b/, why: "looks at what a test is made of" },
  { pattern: /\bsys\s*\.\s*modules\b/, why: "reaches for loaded modules (sys.modules)" },
  {
    pattern: /\bgc\s*\.\s*get_(?:objects|referrers|referents)\b|\bctypes\b/,
    why: "reaches into the interpreter",
  },
  {
    pattern:
      /\bsys\s*\.\s*_getframe\b|\binspect\s*\.\s*(?:stack|currentframe|getouterframes)\b|\btb_frame\b|\bf_(?:back|globals|locals)\b|\bsys\s*\.\s*set(?:trace|profile)\s*\(/,
    why: "looks at who calls it",
  },
  {
    pattern:
      /\b(?:unittest|pytest|TestCase|Function|Item|Session|builtins|Assertion\w*)(?:\.\w+)+\s*=[^=]|\bsetattr\s*\(\s*(?:unittest|pytest|TestCase|Function|Item|Session|builtins|\w*\.TestCase)\b/,
    why: "changes the test runner",
  },
  {
    pattern:
      /\bbuiltins\s*\.\s*\w+\s*=[^=]|(?<![\w.])(?:assert|expect|AssertionError)(?:\.\w+)*\s*=[^=>]|\b(?:globalThis|global)\s*\.\s*(?:expect|assert|test|it|describe)\s*=[^=]/,
    why: "changes what an assertion does",
  },
  {
    pattern: /\bos\s*\.\s*_exit\b|\batexit\s*\.\s*register\b|\bprocess\s*\.\s*reallyExit\b/,
    why: "ends the process of the tests",
  },
  { pattern: /\bjunit(?:xml|_family|-xml)\b|--test-reporter|\/proc\/self\b/i, why: "names a test report" },
  {
    pattern: /\b(?:require\s*\.\s*cache|Module\s*\.\s*_load|syncBuiltinESMExports)\b/,
    why: "reaches into how modules are loaded",
  },
];

/** Marks of code that measures files, where the goal does not speak of any. */
export const fileMarks: readonly Mark[] = [
  {
    pattern:
      /\bst_(?:size|mtime|mtime_ns|ino)\b|\bgetsize\s*\(|\bos\s*\.\s*(?:stat|scandir)\s*\(|\.\s*stat\s*\(\s*\)|\b(?:f|l)?statSync\s*\(|\bfs(?:Promises)?\s*\.\s*stat\s*\(/,
    why: "looks at the sizes or times of files",
  },
  {
    pattern:
      /\b(?:glob|rglob|iglob|listdir|readdirSync)\s*\(\s*[^)]*(?:\.py|\.[cm]?[jt]s|test)|\binspect\s*\.\s*getsource\w*\s*\(|\blinecache\b/,
    why: "looks for source files",
  },
];
