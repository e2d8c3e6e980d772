/**
 * Lines of a byte stream, without their line feed; a last line without one is dropped (its writer died over it).
 * Throws RangeError for a line of more than `bytesMax`; never holds more than that and one chunk.
 */
export async function* lines(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncIterable<string> {
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      if (keptBytes + end > bytesMax) throw new RangeError(`a line has at most ${bytesMax} bytes`);
      yield Buffer.concat([...kept, rest.subarray(0, end)]).toString("utf8");
      kept = [];
      keptBytes = 0;
      rest = rest.subarray(end + 1);
    }
    kept.push(rest);
    keptBytes += rest.byteLength;
    if (keptBytes > bytesMax) throw new RangeError(`a line has at most ${bytesMax} bytes`);
  }
}
