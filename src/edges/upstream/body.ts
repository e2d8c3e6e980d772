/** The body of a provider's answer as it comes off the wire, without the key. */
import type { IncomingMessage } from "node:http";
import type { Fault } from "../../domain/reply.ts";
import type { Body, Ears } from "../../ports/upstream.ts";
import type { Veil } from "./veil.ts";

const broken: Fault = { kind: "capacity", why: "the answer broke off" };

/** What is heard no more may end by itself for so long, ms: its connection can be used again then. */
const lingerMs = 250;

/** `faultOf`: what the error says that breaks it off. */
export function bodyOf(
  response: IncomingMessage,
  veil: Veil | undefined,
  faultOf: (error: unknown) => Fault,
): Body {
  let ears: Ears | undefined;
  const part = (bytes: string) => {
    if (bytes !== "") ears?.part(bytes);
  };
  const end = (fault: Fault | undefined) => {
    const heard = ears;
    ears = undefined;
    heard?.end(fault);
  };
  // Whoever leaves hears none, and an error that nobody hears would end the process.
  response.on("error", (error) => end(faultOf(error)));
  return {
    hear(given) {
      ears = given;
      response.on("data", (bytes: Buffer) => {
        if (ears === undefined) return;
        const text = bytes.toString("latin1");
        part(veil === undefined ? text : veil.push(text));
      });
      response.once("end", () => {
        if (veil !== undefined) part(veil.end());
        end(undefined);
      });
      response.once("close", () => end(broken));
      if (response.destroyed) end(faultOf(response.errored));
    },
    pause: () => void response.pause(),
    goOn: () => void response.resume(),
    leave() {
      ears = undefined;
      if (response.destroyed) return;
      const timer = setTimeout(() => response.destroy(), lingerMs);
      response.once("close", () => clearTimeout(timer));
      response.resume();
    },
  };
}
