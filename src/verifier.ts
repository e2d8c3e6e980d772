/** The verifier's program: started by the foreman with an empty environment, served over standard input and output. */

import { warmParsers } from "./edges/control/grammar.ts";
import { openControls } from "./edges/control/rewrite.ts";
import { openGates } from "./edges/gates/run.ts";
import { bubblewrapJail } from "./edges/jails/bubblewrap.ts";
import { findHost } from "./edges/jails/host.ts";
import { repository } from "./edges/jails/limits.ts";
import { unisolatedJail } from "./edges/jails/unisolated.ts";
import { serveVerifier } from "./edges/verifier/process.ts";
import { openResults } from "./edges/verifier/results.ts";
import { openWorkshop } from "./edges/verifier/workshop.ts";
import type { Jail } from "./ports/jail.ts";
import { proveTrial, runTrial, type VerifierTools } from "./work/verifier.ts";

serveVerifier(
  (opening) => {
    const { isolation, workRoot, resultFolder, cores, memoryBytes, runsMax } = opening;
    if (opening.task === "prove") void warmParsers();
    const jail = isolation === "none" ? unisolatedJail({ workRoot }) : jailAt(workRoot);
    const machine = { cores, memoryBytes, workers: runsMax };
    const tools: VerifierTools = {
      isolation,
      gates: openGates({ jail, limits: (check) => repository(machine, check.timeoutMs) }),
      controls: openControls(),
      workshop: openWorkshop(jail),
      results: openResults(resultFolder),
      clock: { now: () => Date.now(), sleep: () => Promise.reject(new Error("the verifier never sleeps")) },
      runsMax,
    };
    return {
      run: (trial, signal) => {
        const running = runTrial(trial, tools, signal);
        // The first run is of base, which needs none; the next one may.
        void warmParsers();
        return running;
      },
      prove: (trial, signal) => proveTrial(trial, tools, signal),
    };
  },
  { input: process.stdin, output: process.stdout, words: process.stderr, exit: (code) => process.exit(code) },
);

/** The self-test ran in the foreman's process; here only the parts are found again. */
function jailAt(workRoot: string): Jail {
  const found = findHost({ workRoot });
  if (found.kind === "refused") throw new Error(`${found.why}: ${found.remedy}`);
  return bubblewrapJail(found.host, { privateHosts: [] });
}
