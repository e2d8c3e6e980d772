/** A question as one POST of JSON, and its answer read whole or line by line: for the wires that are written by hand. */
import { Misunderstood, type Talk } from "./wire.ts";

/** An answer with a status of success, not read yet. Rejects with what `talk.send` throws. */
export async function post(
  { send, signal }: Talk,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: unknown,
): Promise<Response> {
  return await send(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal,
  });
}

/** The whole body. Throws Misunderstood, with the text of it, where it is no JSON. */
export async function jsonOf(response: Response): Promise<{ readonly json: unknown; readonly text: string }> {
  const text = await response.text();
  return { json: parsed(text, text), text };
}

/** The values of a body of JSON lines; blank lines are no values. What the last line lacks of an end is read as it is. */
export async function* jsonLines(response: Response): AsyncGenerator<unknown, void, undefined> {
  const start = new Start();
  for await (const line of lines(response)) {
    start.add(line);
    if (line.trim() !== "") yield parsed(line, start.text);
  }
}

/** The data of server-sent events as JSON; comments and other fields are skipped. A body without any is misunderstood. */
export async function* jsonEvents(response: Response): AsyncGenerator<unknown, void, undefined> {
  const start = new Start();
  let isUnderstood = false;
  let data: string[] = [];
  for await (const line of lines(response)) {
    start.add(line);
    if (line.startsWith("data:")) data.push(line.slice(5));
    else if (line === "" && data.length > 0) {
      isUnderstood = true;
      yield parsed(data.join("\n"), start.text);
      data = [];
    }
  }
  if (data.length > 0) yield parsed(data.join("\n"), start.text);
  else if (!isUnderstood) throw new Misunderstood(start.text);
}

/** Enough of a body to say what it is instead of an answer. */
class Start {
  static readonly charactersMax = 64 * 1024;
  text = "";

  add(line: string): void {
    if (this.text.length < Start.charactersMax) this.text += `${line.slice(0, Start.charactersMax)}\n`;
  }
}

function parsed(json: string, text: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw new Misunderstood(text);
  }
}

/** Lines without their ends. The whole body has a bound (`fetchOnce`), so has a line. */
async function* lines(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let rest: string[] = [];
  for await (const bytes of response.body) {
    const [first = "", ...others] = decoder.decode(bytes, { stream: true }).split("\n");
    rest.push(first);
    for (const other of others) {
      yield withoutReturn(rest.join(""));
      rest = [other];
    }
  }
  const last = withoutReturn(rest.join("") + decoder.decode());
  if (last !== "") yield last;
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
