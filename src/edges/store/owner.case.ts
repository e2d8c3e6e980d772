/** Run as a process by owner.test.ts: becomes the owner of the home it is given, says so, and stays until killed. */
import { present } from "../../kit/assert.ts";
import { becomeOwner } from "./owner.ts";

const ownership = await becomeOwner(present(process.argv[2], "a home is given"));
process.stdout.write(`${ownership.kind}\n`);
if (ownership.kind === "owner") setInterval(() => {}, 60_000);
