/**
 * What a change may not touch without the user's word.
 *
 * 1. What decides about a change is taken from base: tests, gate configuration and CI files that exist there.
 * 2. What a test runner loads by itself is protected even where base has none: a file that does not exist yet can be planted.
 * 3. Only the user's own `--allow-change` lifts either; the user's `--protect` is stronger than the built-in list, not than `--allow-change`.
 * 4. Nothing lifts it from the tests that a model wrote for the goal: who is judged by them never changes them.
 */
import { covers, coversAny } from "./glob.ts";
import { joined } from "./path.ts";

/** Where tests live by the habits of the common runners. */
export const testPatterns: readonly string[] = [
  "**/test_*.py",
  "**/*_test.{py,go,exs,rb,dart,c,cc,cpp}",
  "**/{test,tests}.py",
  "**/*.{test,spec,tests,bench}.{js,jsx,ts,tsx,mjs,cjs,mts,cts}",
  "**/{test,tests,__tests__,spec,specs,e2e,testdata,__snapshots__,__mocks__}/**",
  "**/{test,tests}.{js,mjs,cjs,ts}",
  "**/*.snap",
  "**/*_spec.rb",
  "**/*{Test,Tests,TestCase,IT,Spec}.{java,kt,scala,cs,fs,groovy,swift,php}",
  "**/*.Tests/**",
];

/** Loaded or obeyed by test runners without being asked for: protected even when base has no such file. */
export const plantedPatterns: readonly string[] = [
  "conftest.py",
  "{pytest.ini,.pytest.ini,pytest.toml,.pytest.toml,tox.ini,setup.cfg,pyproject.toml,.coveragerc}",
  "{sitecustomize,usercustomize}.py",
  "*.{pth,egg-link}",
  "__pycache__/**",
  "*.{pyc,pyo}",
  "*.egg-info/**",
  "*.dist-info/**",
  "{pytest,_pytest,unittest,pluggy,iniconfig,nose,nose2,tox}.py",
  "{pytest,_pytest,unittest,pluggy,iniconfig,nose,nose2,tox}/__init__.py",
  "{vitest,vite,jest,babel,karma,ava,playwright,cypress}.{config,conf,workspace,setup}.*",
  "{jest,vitest}.*.{config,conf}.*",
  ".{mocharc,babelrc,swcrc,nycrc,c8rc,taprc}*",
  "node_modules/**",
  ".npmrc",
  ".yarnrc*",
  ".pnp.*",
  ".pnpmfile.cjs",
];

/** What a gate is made of: protected where base has it. */
export const gatePatterns: readonly string[] = [
  "package.json",
  "tsconfig*.json",
  "jsconfig.json",
  "{Makefile,makefile,GNUmakefile,justfile,Justfile,Taskfile.yml,noxfile.py,tasks.py}",
  "{biome.json,biome.jsonc,.flake8,.pylintrc,pylintrc,mypy.ini,.mypy.ini,ruff.toml,.ruff.toml,clippy.toml}",
  ".eslintrc*",
  "eslint.config.*",
  "{pom.xml,build.gradle,build.gradle.kts,Directory.Build.props,Directory.Build.targets}",
];

/** CI: protected where base has it, and a new one needs consent. */
export const pipelinePatterns: readonly string[] = [
  "/.github/workflows/**",
  "/.github/actions/**",
  "{.gitlab-ci.yml,.travis.yml,Jenkinsfile,azure-pipelines.yml,bitbucket-pipelines.yml,appveyor.yml,.drone.yml}",
  ".circleci/**",
  ".buildkite/**",
];

/** Protected where base has them. */
const basePatterns: readonly string[] = [...testPatterns, ...gatePatterns, ...pipelinePatterns];

/** Files that run or load by themselves in somebody's hands: an editor, a shell, git, a package manager, an agent. */
const selfRunningPatterns: readonly string[] = [
  ...pipelinePatterns,
  ...plantedPatterns,
  ".husky/**",
  ".githooks/**",
  "{lefthook.yml,lefthook.yaml,.pre-commit-config.yaml,.lintstagedrc*}",
  ".vscode/**",
  ".idea/**",
  ".devcontainer/**",
  "{.envrc,.env,.env.*,.tool-versions,mise.toml,.mise.toml,.editorconfig}",
  "{.gitattributes,.gitmodules,.gitconfig,.git,.gitignore_global}",
  ".git/**",
  "{setup.py,build.rs,binding.gyp,extconf.rb,*.targets,*.props}",
  "{AGENTS.md,CLAUDE.md,GEMINI.md,.cursorrules,.windsurfrules,.clinerules,.mcp.json,copilot-instructions.md}",
  "{.claude,.cursor,.codex,.gemini,.aider*,.opencode,.agents}/**",
  "rigs.toml",
  "{.devcontainer.json,.exrc,.nvimrc,.pypirc,action.yml,action.yaml,CLAUDE.local.md,AGENT.md,.rules}",
  "{.zed,.windsurf,.roo,.junie,.kiro,.fleet}/**",
  "{.cargo,.yarn,.mvn,.bundle,.forgejo,.gitea,.teamcity,.semaphore}/**",
  "{.woodpecker.yml,.cirrus.yml,buildspec.yml,cloudbuild.yaml}",
  "{eslint.config.*,.eslintrc*,.prettierrc*,prettier.config.*,stylelint.config.*,babel.config.*,.babelrc*}",
];

/** Code that no reviewer and no control can look into. */
const compiledPatterns: readonly string[] = ["*.{so,so.*,pyd,dll,dylib,node,wasm,jar,class,pyc,pyo,exe,o,a}"];

/** Manifests and lockfiles: a change to one changes what is installed. */
const dependencyPatterns: readonly string[] = [
  "{package.json,package-lock.json,npm-shrinkwrap.json,yarn.lock,pnpm-lock.yaml,pnpm-workspace.yaml,bun.lock,bun.lockb,deno.lock}",
  "{pyproject.toml,setup.py,setup.cfg,poetry.lock,uv.lock,Pipfile,Pipfile.lock,pdm.lock,environment.yml}",
  "requirements*.{txt,in}",
  "requirements/**",
  "constraints*.txt",
  "{Cargo.toml,Cargo.lock,go.mod,go.sum,go.work,Gemfile,Gemfile.lock,composer.json,composer.lock}",
  "{pom.xml,build.gradle,build.gradle.kts,settings.gradle,gradle.lockfile,packages.config,packages.lock.json,Directory.Packages.props,*.csproj,*.fsproj}",
];

/** On a disk that does not tell case apart, a file is what it is whatever its spelling. */
function coversFolded(patterns: readonly string[], path: string): boolean {
  const folded = foldedLists.get(patterns) ?? patterns.map((pattern) => pattern.toLowerCase());
  foldedLists.set(patterns, folded);
  return coversAny(patterns, path) || coversAny(folded, path.toLowerCase());
}

const foldedLists = new WeakMap<readonly string[], readonly string[]>();

/** Whether the path looks like a test, by the habits of the common runners. */
export function isTestFile(path: string): boolean {
  return coversAny(testPatterns, path);
}

/** Code in a test folder that no runner collects as a test: helpers, packages, and whatever could shadow a module under test. */
export function isTestSupport(path: string): boolean {
  return coversFolded(testFolders, path) && isCode.test(path) && !coversAny(namedTestPatterns, path);
}

const isCode = /\.(py|pyi|js|jsx|mjs|cjs|ts|tsx|mts|cts|rb|php|go|java|kt|cs)$/i;
const testFolders = testPatterns.filter((pattern) => pattern.endsWith("/**"));
const namedTestPatterns = testPatterns.filter((pattern) => !pattern.endsWith("/**"));

/** What decides whether a path is protected. `existsOnBase`: base has a file of this path. */
export interface Protection {
  readonly protect: readonly string[];
  readonly allowChange: readonly string[];
  readonly existsOnBase: boolean;
}

/** What takes the leave to change this path back, whatever else gives it: an entry for `allowChange`. */
export function frozen(path: string): string {
  return `!/${path}`;
}

/** Whether a path may be changed though it is protected: an entry that begins with "!" is stronger than every other. */
export function isAllowed(allowChange: readonly string[], path: string): boolean {
  const isBack = (entry: string) => entry.startsWith("!") && covers(entry.slice(1), path);
  return !allowChange.some(isBack) && coversAny(allowChange, path);
}

/** Whether a change of this path is undone before every run, and needs the user's consent to be delivered. */
export function isProtected(path: string, { protect, allowChange, existsOnBase }: Protection): boolean {
  if (isAllowed(allowChange, path)) return false;
  if (coversAny(protect, path) || coversAny(plantedPatterns, path)) return true;
  return existsOnBase && coversAny(basePatterns, path);
}

/**
 * Scripts that a command line starts by name and that are therefore part of the gate: `sh ci/check.sh`, `./run-tests`, and
 * what `make` reads. Paths relative to the repository's top, as patterns for `protect`. The programs under work
 * (`python app.py`) are not among them: they are what the check is about.
 */
export function scriptsOf(check: { readonly command: string; readonly cwd: string }): readonly string[] {
  const words = check.command.split(/[\s;&|()<>"'`]+/);
  const scripts = words.filter((word) =>
    /^([\w./-]+\.(sh|bash|zsh|bats|mk)|\.\/([\w./-]*\/)?[\w-]+)$/.test(word),
  );
  return scripts
    .map((word) => joined(check.cwd, word))
    .filter((path) => path !== "")
    .map((path) => `/${path}`);
}

/** A path of a change, by kind before and after; undefined where it does not exist. The same shape as the repository's own. */
export interface Changed {
  readonly path: string;
  readonly kind: "added" | "modified" | "deleted" | "mode" | "type";
  readonly before: "file" | "executable" | "link" | "gitlink" | undefined;
  readonly after: "file" | "executable" | "link" | "gitlink" | undefined;
}

/** Something in a change that only the user may allow. */
export interface ConsentNeed {
  readonly path: string;
  readonly why: string;
}

/**
 * What heads the evidence page and needs the user's word, in the order of the changes. `linkTargets` holds what the
 * symbolic links of the change point at; a link without one is treated as leaving the tree. `dependencies` is the
 * user's `--allow-deps`. A path the user named with `--allow-change` needs nothing more.
 */
export function consentNeeded(
  changes: readonly Changed[],
  given: {
    readonly allowChange: readonly string[];
    readonly dependencies: "allowed" | "ask";
    readonly linkTargets: ReadonlyMap<string, string>;
    /** The texts of the tests that base has. */
    readonly tests: readonly string[];
  },
): readonly ConsentNeed[] {
  return changes
    .filter((change) => !isAllowed(given.allowChange, change.path))
    .flatMap((change) => {
      const why = reasonFor(change, given);
      return why === undefined ? [] : [{ path: change.path, why }];
    });
}

/** Why a new plain file of this path would need the user's word; undefined: it would not. */
export function whyAsked(
  path: string,
  {
    allowChange,
    allowDependencies,
  }: { readonly allowChange: readonly string[]; readonly allowDependencies: boolean },
): string | undefined {
  const added: Changed = { path, kind: "added", before: undefined, after: "file" };
  const dependencies = allowDependencies ? "allowed" : "ask";
  return consentNeeded([added], { allowChange, dependencies, linkTargets: new Map(), tests: [] })[0]?.why;
}

function reasonFor(
  change: Changed,
  given: {
    readonly dependencies: "allowed" | "ask";
    readonly linkTargets: ReadonlyMap<string, string>;
    readonly tests: readonly string[];
  },
): string | undefined {
  const { path, before, after } = change;
  if (after === "gitlink" || before === "gitlink") return "a gitlink (submodule) changes";
  if (after === "link" && leavesTree(path, given.linkTargets.get(path)))
    return "a symbolic link that leaves the tree";
  if (after === "executable" && before !== "executable") return "becomes executable";
  if (change.kind === "mode") return "its mode changes";
  if (change.kind === "type") return "becomes another kind of file";
  const isDependency = coversFolded(dependencyPatterns, path);
  if (isDependency && given.dependencies === "allowed") return undefined;
  if (isDependency) return "a dependency manifest or lockfile changes";
  if (after !== undefined && coversFolded(compiledPatterns, path))
    return "compiled code, which cannot be read";
  if (coversFolded(selfRunningPatterns, path)) return "runs or loads by itself";
  if (before === undefined && isTestSupport(path))
    return "a new file among the tests that is no test itself: it can stand in for what is tested";
  const isOld = before !== undefined && (coversAny(testPatterns, path) || coversAny(gatePatterns, path));
  if (isOld) return "an existing test or gate configuration changes";
  if (before !== undefined && isTestData(path, given.tests))
    return "an existing test reads it, so it may hold what that test asks for";
  return undefined;
}

/** Endings of files that tests import rather than read. */
const codeEnding = /\.(py|pyi|[cm]?[jt]sx?|go|rs|java|kt|rb|php|cs|c|cc|cpp|h|hpp|sh|vue|svelte)$/i;

/** Whether a test's text names a file that is no code, or the folder that it lies in, as something to read. */
export function isTestData(path: string, tests: readonly string[]): boolean {
  if (codeEnding.test(path)) return false;
  const parts = path.split("/");
  const escaped = (name: string) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const file = new RegExp(`["'\`/]${escaped(parts.at(-1) ?? "")}["'\`]`);
  const folder = parts.at(-2);
  // A folder in the middle of an import says nothing: it has to end there, or go on with a pattern or a variable.
  const place = folder === undefined ? undefined : new RegExp(`["'\`/]${escaped(folder)}(/?["'\`]|/[*$%{])`);
  return tests.some((text) => file.test(text) || place?.test(text) === true);
}

/** Whether a link at `path` with this target points outside the repository; unknown targets do. */
export function leavesTree(path: string, target: string | undefined): boolean {
  if (target === undefined || target === "" || target.startsWith("/") || target.includes("\0")) return true;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth -= 1;
    else if (part !== "." && part !== "") depth += 1;
    if (depth < 0) return true;
  }
  return covers(".git", target);
}
