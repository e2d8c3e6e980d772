import { storeCases } from "../../ports/store.case.ts";
import { memoryStore } from "./memory.ts";

storeCases(async (clock) => ({ store: memoryStore(clock), tamper: undefined, end: async () => {} }), {
  tamper: "nothing is kept outside the process",
});
