/** Run as a process by refold.test.ts: opens the store of an older Rigs and is killed in the middle of bringing it up to date. */
import { upcasts } from "../../domain/upcast.ts";
import { present } from "../../kit/assert.ts";
import { openStore } from "./sqlite.ts";

let read = 0;
const dying = (body: Record<string, unknown>) => {
  read += 1;
  if (read === 12) process.kill(process.pid, "SIGKILL");
  return present(upcasts[1], "shape 1 is known")(body);
};
await openStore(present(process.argv[2], "a home is given"), {
  now: () => Date.now(),
  upcasts: { ...upcasts, 1: dying },
});
