/** The verifier's program: started by the foreman with an empty environment, served over standard input and output. */
import { enableCompileCache, flushCompileCache } from "node:module";

// Its only word, where there is one: the folder in which compiled code is kept for the next start. Before all that is large.
const [cache] = process.argv.slice(2);
if (cache !== undefined) enableCompileCache(cache);
const { serveHere } = await import("./main/verifying.ts");
serveHere();
// It ends by being killed, which would keep nothing.
flushCompileCache();
