/** A model that answers at once, as a process of its own, so that it takes no turn from what is measured. Prints its port. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Before the first word, ms; then so many words, so far apart. */
const firstMs = 10;
const words = 8;
const everyMs = 5;

const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "mock" };
const chunk = (delta: object, finish: string | null) =>
  `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`;
const word = chunk({ content: "a few words of an answer " }, null);
const usage = { prompt_tokens: 60, completion_tokens: 50, total_tokens: 110 };
const end = `${chunk({}, "stop")}data: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`;
const whole = JSON.stringify({
  ...{ id: "chatcmpl-1", object: "chat.completion", created: 1, model: "mock" },
  choices: [
    { index: 0, message: { role: "assistant", content: "an answer" }, logprobs: null, finish_reason: "stop" },
  ],
  usage,
});

const server = createServer((request, reply) => {
  let text = "";
  request.on("data", (part: Buffer) => {
    text += part.toString("latin1");
  });
  request.on("end", () => {
    const isStream = text.includes('"stream":true');
    setTimeout(() => {
      if (!isStream) {
        reply.writeHead(200, { "content-type": "application/json" });
        reply.end(whole);
        return;
      }
      reply.writeHead(200, { "content-type": "text/event-stream" });
      let said = 0;
      const say = () => {
        said += 1;
        if (said > words) {
          reply.end(end);
          return;
        }
        reply.write(word);
        setTimeout(say, everyMs);
      };
      say();
    }, firstMs);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
