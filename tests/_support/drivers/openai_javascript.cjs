// The official JavaScript client: what it gives its users from behind the router.
const OpenAI = require('openai');

const baseURL = `${process.env.ROUTER_URL}/v1`;
const client = new OpenAI({ baseURL, apiKey: process.env.ROUTER_KEY || 'any', maxRetries: 0 });
const NO_SPACES = { 4: -100 };
const SCHEMA = {
  type: 'object',
  properties: { order: { type: 'string', enum: ['ascending', 'descending'] } },
  required: ['order'],
  additionalProperties: false,
};
const FUNCTION = { name: 'set_order', strict: true, parameters: SCHEMA };
const asked = (text = 'sort dbca') => [{ role: 'user', content: text }];
const greedy = { model: 'sorter', temperature: 0 };
const tools = {
  messages: asked(),
  tools: [{ type: 'function', function: FUNCTION }],
  tool_choice: { type: 'function', function: { name: 'set_order' } },
  logit_bias: NO_SPACES,
  max_tokens: 120,
  ...greedy,
};

async function collected(pieces) {
  let text = '';
  let finish = null;
  let usage = null;
  for await (const piece of pieces) {
    if (piece.usage) usage = piece.usage.completion_tokens > 0;
    for (const choice of piece.choices) {
      text += choice.delta.content ?? '';
      finish = choice.finish_reason ?? finish;
    }
  }
  return { text, finish, usage };
}

const chat = client.chat.completions;
const cases = {
  async chat() {
    const { data, response } = await chat.create({ messages: asked(), ...greedy }).withResponse();
    const { content } = data.choices[0].message;
    return { text: content, specialist: response.headers.get('x-tierwise-specialist') };
  },
  async chat_auto() {
    const answer = await chat.create({ messages: asked(), model: 'auto', temperature: 0 });
    return answer.choices[0].message.content;
  },
  async stream() {
    return collected(await chat.create({ messages: asked(), stream: true, ...greedy }));
  },
  async stream_auto() {
    const body = { messages: asked(), model: 'auto', temperature: 0, stream: true };
    return collected(await chat.create({ ...body, stream_options: { include_usage: true } }));
  },
  async tool() {
    const answer = await chat.create(tools);
    const call = answer.choices[0].message.tool_calls[0].function;
    return [call.name, call.arguments];
  },
  async tool_streamed() {
    const call = await chat.stream({ ...tools }).finalChatCompletion();
    const { name, arguments: given } = call.choices[0].message.tool_calls[0].function;
    return [name, given];
  },
  async structured() {
    const response_format = { type: 'json_schema', json_schema: { name: 'o', schema: SCHEMA } };
    const body = { messages: asked(), response_format, logit_bias: NO_SPACES, ...greedy };
    return (await chat.create({ ...body, max_tokens: 120 })).choices[0].message.content;
  },
  async completion() {
    const body = { prompt: 'sort dbca=', max_tokens: 8, ...greedy };
    return (await client.completions.create(body)).choices[0].text;
  },
  async models() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    return listed;
  },
  async error_unknown_model() {
    return chat.create({ messages: asked(), model: 'sorrter' });
  },
  async error_of_the_engine() {
    return chat.create({ messages: asked(), model: 'sorter', temperature: -3 });
  },
  async error_nobody_sure() {
    const text = 'who was the third emperor of the Ming dynasty?';
    return chat.create({ messages: asked(text), model: 'auto' });
  },
  async cancelled() {
    const body = { messages: asked('go on for ever'), stream: true, ...greedy };
    const pieces = await chat.create({ ...body, ignore_eos: true, max_tokens: 240 });
    for await (const piece of pieces) {
      pieces.controller.abort();
      return piece.choices.length;
    }
    return 0;
  },
};

async function main() {
  const only = process.argv[2];
  for (const [name, run] of Object.entries(cases)) {
    if (only && name !== only) continue;
    let line;
    try {
      line = { case: name, got: await run() };
    } catch (error) {
      const { status, code, message } = error;
      line = { case: name, error: error.constructor.name, status, code, message };
    }
    console.log(`CASE ${JSON.stringify(line)}`);
  }
}

main();
