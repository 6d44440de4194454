// Handlers of the TypeScript SDK, for the conformance suite. Plain JavaScript: no build step.
// PORT: where to listen; HTTP: "1" (request and response) or "2" (bidirectional). The names of the services
// end with HTTP's value, so that both may run beside one engine. What really happens is appended to a file in
// NOTES_DIRECTORY, one for each label.
const { appendFileSync, existsSync, readFileSync } = require("node:fs");
const { createServer: createHttp1 } = require("node:http");
const { createServer: createHttp2 } = require("node:http2");
const { join } = require("node:path");

// The SDK asks for Node 22. On Node 20 this is all that it misses.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const restate = require("@restatedev/restate-sdk");

const { HTTP, NOTES_DIRECTORY, PORT } = process.env;
const { RestatePromise, TerminalError } = restate;
const retryPolicy = { initialInterval: 20, maxInterval: 100 };
const named = (name) => `${name}Http${HTTP}`;

function note(label, what) {
  const path = join(NOTES_DIRECTORY, label);
  appendFileSync(path, `${what}\n`);
  return readFileSync(path, "utf8").split("\n").filter((line) => line === String(what)).length;
}

const basics = restate.service({
  name: named("TypeScript"),
  options: { retryPolicy },
  handlers: {
    greet: async (ctx, name) => `hello ${name}`,
    echo: async (ctx, value) => value,
    raw: restate.createServiceHandler(
      { input: restate.serde.binary, output: restate.serde.binary, accept: "*/*" },
      async (ctx, body) => body,
    ),
    refuse: async (ctx, failure) => {
      throw new TerminalError(failure.message, { errorCode: failure.code, metadata: failure.metadata });
    },
    steps: async (ctx, { label, count }) => {
      const results = [];
      for (let n = 0; n < count; n++) results.push(await ctx.run(`step ${n}`, () => note(label, n)));
      return results;
    },
    slowSteps: async (ctx, { label, count, stepMs }) => {
      for (let n = 0; n < count; n++) {
        await ctx.run(`step ${n}`, async () => {
          await new Promise((resolve) => setTimeout(resolve, stepMs));
          note(label, n);
        });
      }
      return count;
    },
    flakyStep: async (ctx, label) =>
      ctx.run(
        "flaky",
        () => {
          const tries = note(label, "ran");
          if (tries < 3) throw new Error("reset");
          return tries;
        },
        { initialRetryInterval: 5 },
      ),
    failTwice: async (ctx, label) => {
      const attempts = note(label, "attempt");
      if (attempts < 3) throw new Error("not yet");
      return attempts;
    },
    pauseInAStep: async (ctx, label) =>
      ctx.run("pause", () => {
        note(label, "ran");
        if (!existsSync(join(NOTES_DIRECTORY, `${label}-mended`))) throw new restate.PauseError("look at me");
        return "mended";
      }),
    randomness: async (ctx, label) => {
      const drawn = [ctx.rand.random(), ctx.rand.uuidv4(), await ctx.date.now()];
      if (note(label, JSON.stringify(drawn)) < 3) throw new Error("once more");
      return drawn;
    },
    combinators: async (ctx) => {
      const nap = (ms, name) => ctx.sleep(ms).map(() => name);
      return [
        await RestatePromise.all([nap(20, "a"), nap(10, "b")]),
        await RestatePromise.race([nap(60_000, "slow"), nap(10, "quick")]),
        await RestatePromise.any([nap(60_000, "slow"), nap(10, "quick")]),
        (await RestatePromise.allSettled([nap(10, "a")])).map((each) => each.status),
        await nap(60_000, "slow").orTimeout(10).catch((error) => error.constructor.name),
      ];
    },
    raceOfAny: async (ctx, label) => {
      const refused = ctx.serviceClient(basics).refuse({ code: 400, message: "no" });
      const answer = ctx.awakeable();
      await ctx.run("name", () => note(label, answer.id));
      return RestatePromise.any([refused, answer.promise, ctx.sleep(60_000).map(() => "too late")]);
    },
    awaitSignal: async (ctx, name) => ctx.signal(name),
    sendSignal: async (ctx, { id, name, value }) => ctx.invocation(id).signal(name).resolve(value),
    callOtherLanguage: async (ctx, name) =>
      ctx.genericCall({
        service: "Basics",
        method: "greet",
        parameter: name,
        inputSerde: restate.serde.json,
        outputSerde: restate.serde.json,
      }),
    sleepUntilCancelled: async (ctx, label) => {
      try {
        await ctx.run("begin", () => note(label, "waiting"));
        await ctx.sleep(3_600_000);
      } catch (error) {
        await ctx.run("undo", () => note(label, "undone"));
        throw error;
      }
    },
    call: async (ctx, name) => [
      await ctx.serviceClient(basics).greet(name),
      await ctx.objectClient(counter, name).add(2),
    ],
  },
});

const counter = restate.object({
  name: named("TypeScriptCounter"),
  options: { retryPolicy },
  handlers: {
    add: async (ctx, number) => {
      const count = ((await ctx.get("count")) ?? 0) + number;
      ctx.set("count", count);
      return count;
    },
    clear: async (ctx) => {
      ctx.clearAll();
      return ctx.stateKeys();
    },
    read: restate.createObjectSharedHandler(async (ctx) => [ctx.key, await ctx.get("count"), await ctx.stateKeys()]),
  },
});

const signup = restate.workflow({
  name: named("TypeScriptSignup"),
  options: { retryPolicy },
  handlers: {
    run: async (ctx, name) => {
      ctx.set("name", name);
      return `${name} clicked ${await ctx.promise("click")}`;
    },
    click: async (ctx, link) => ctx.promise("click").resolve(link),
    reject: async (ctx, reason) => ctx.promise("click").reject(reason),
    peek: async (ctx) => [await ctx.promise("click").peek(), await ctx.get("name")],
  },
});

const create = HTTP === "1" ? createHttp1 : createHttp2;
create(restate.createEndpointHandler({ services: [basics, counter, signup] })).listen(Number(PORT), "127.0.0.1");
