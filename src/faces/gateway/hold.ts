/** The memory of all requests and of the answers that are held whole, together. */
import { shapeOf } from "./measure.ts";

/** Of what was read: a byte or two for a character of its text, the same of what is made of it, some for each value. */
const bytesOfCharacter = 2;
const bytesOfValue = 64;

/** Bytes that a text of JSON comes to when it is read. */
export function weightOf(text: string, values: number): number {
  return text.length * bytesOfCharacter + values * bytesOfValue;
}

/** What one call holds of it. False: there is no room for that, and it holds what it held. */
export interface Hold {
  /** All that it holds from now on, bytes. */
  take(bytes: number): boolean;
  /** So many bytes beside what it holds. */
  more(bytes: number): boolean;
  /** The same for a text of JSON that is read. */
  moreFor(text: string): boolean;
  drop(): void;
}

export interface Memory {
  hold(): Hold;
}

/** `allBytesMax`: what all hold at one moment. */
export function memoryOf(allBytesMax: number): Memory {
  let all = 0;
  return {
    hold() {
      let held = 0;
      const take = (bytes: number): boolean => {
        if (all - held + bytes > allBytesMax) return false;
        all += bytes - held;
        held = bytes;
        return true;
      };
      const more = (bytes: number): boolean => take(held + bytes);
      return {
        take,
        more,
        moreFor: (text) => more(weightOf(text, shapeOf(text).values)),
        drop: () => void take(0),
      };
    },
  };
}
