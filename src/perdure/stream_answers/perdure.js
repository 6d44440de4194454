// Perdure in a browser: call handlers and follow their streams, through reloads, restarts and broken connections.
//
//   import { Client } from "http://127.0.0.1:8080/restate/client.js";
//   const client = new Client();
//   const { id } = await client.send("Chat/say", "Hello", { key: "ada" });
//   for await (const event of client.stream(id)) console.log(event.index, event.type, event.data);
//
// An EventSource can neither POST nor set headers nor tell why it was refused, so this reads with fetch.

const SILENCE_MS = 45_000; // the ingress says something every 15 s, or it is gone
const IN_BETWEEN = new Set([502, 503, 504]); // nobody is there now

/** The ingress refused, with this HTTP status. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "RequestError";
    this.status = status;
  }
}

/** An invocation ended with a terminal error. */
export class InvocationFailed extends Error {
  constructor(code, message, metadata = {}) {
    super(message);
    this.name = "InvocationFailed";
    this.code = code;
    this.metadata = metadata;
  }
}

/** The ingress did not answer for as long as the client tries. */
export class ConnectionLost extends Error {
  name = "ConnectionLost";
}

export class Client {
  #url;
  #options;

  /** url: of the ingress; by default the one that this module came from. giveUpAfterMs: Infinity never does. */
  constructor(url = new URL(import.meta.url).origin, options = {}) {
    this.#url = String(url).replace(/\/+$/, "");
    this.#options = { headers: {}, firstPauseMs: 50, pauseMaxMs: 5_000, giveUpAfterMs: 60_000, ...options };
  }

  /**
   * Calls `Service/handler` and resolves with its output. A request whose connection breaks is made again, and
   * does not run twice: it carries an idempotency key, one of its own where none is given. null sends none.
   * workflow: the handler is a workflow's run, idempotent by its key alone.
   */
  async call(target, body, { workflow = false, signal, ...options } = {}) {
    if (workflow) {
      return this.attach((await this.send(target, body, { workflow, signal, ...options })).id, { signal });
    }
    return valueOf(await this.#invoke(targetPath(target, options.key), body, options, signal));
  }

  /** Resolves with `{ id, isNew }` once the request is on disk. */
  async send(target, body, { delayMs, signal, ...options } = {}) {
    const delay = delayMs === undefined ? "" : `?delay=${Math.round(delayMs)}ms`;
    const path = `${targetPath(target, options.key)}/send${delay}`;
    const told = await valueOf(await this.#invoke(path, body, options, signal));
    return { id: told.invocationId, isNew: told.status === "Accepted" };
  }

  /** Resolves with the output of an invocation, once it has one. */
  async attach(id, { signal } = {}) {
    return valueOf(await this.#request(`/restate/invocation/${encodeURIComponent(id)}/attach`, { signal }));
  }

  /**
   * The events of a stream, each once and in order, up to and with `end`: `{ index, type, data, source, atMs }`.
   * fromIndex: the first one; -N: the last N that there are now. Break out of the loop, or abort the signal, to
   * leave: that ends no run.
   */
  async *stream(id, { stream = "default", fromIndex = 0, signal } = {}) {
    const tries = new Tries(this.#options, signal);
    let expected = fromIndex < 0 ? undefined : fromIndex;
    for (;;) {
      let problem = "ended the stream before its end";
      const left = new AbortController();
      const leave = () => left.abort(signal.reason);
      signal?.throwIfAborted();
      signal?.addEventListener("abort", leave);
      try {
        const query = new URLSearchParams({ stream, from: String(expected ?? fromIndex) });
        const path = `${this.#url}/restate/invocation/${encodeURIComponent(id)}/stream?${query}`;
        const headers = { ...this.#options.headers, accept: "text/event-stream" };
        const response = await fetch(path, { headers, cache: "no-store", signal: left.signal });
        if (response.status === 204) return;
        if (IN_BETWEEN.has(response.status)) throw new TypeError(`answers ${response.status}`);
        if (!response.ok) throw await errorOf(response);
        tries.answered();
        for await (const event of eventsOf(response.body, left)) {
          if (expected !== undefined && event.index !== expected) {
            throw new RangeError(`event ${event.index} came where ${expected} is next`);
          }
          expected = event.index + 1;
          tries.progressed();
          yield event;
          if (event.type === "end") return;
        }
      } catch (error) {
        signal?.throwIfAborted();
        // What fetch and its body throw for a broken connection; AbortError: we gave up on a silent one.
        if (!(error instanceof TypeError) && error.name !== "AbortError") throw error;
        problem = error.message;
      } finally {
        signal?.removeEventListener("abort", leave);
        left.abort();
      }
      await tries.pause(`${this.#url}: ${problem}`);
    }
  }

  /**
   * The text of a run as it is written, and unwritten where a model was asked again after a crash: of the text so
   * far the first `keep` UTF-16 units stand, and `added` follows them. Throws InvocationFailed.
   */
  async *textChanges(id, options) {
    let said = []; // { index, source, delta }
    for await (const { index, type, data, source } of this.stream(id, options)) {
      if (type === "text" && data.depth === undefined) {
        const delta = data.delta ?? "";
        yield { keep: lengthOf(said), added: delta };
        said.push({ index, source, delta });
      } else if (type === "attempt") {
        const gone = (part) => part.source === data.source && part.index >= data.from;
        const first = said.findIndex(gone);
        if (first >= 0) {
          const after = said.slice(first).filter((part) => !gone(part));
          said = [...said.slice(0, first), ...after];
          yield { keep: lengthOf(said.slice(0, first)), added: after.map((part) => part.delta).join("") };
        }
      } else if (type === "end" && data.status === "failed") {
        throw new InvocationFailed(data.code, data.message);
      }
    }
  }

  #invoke(path, body, { idempotencyKey, headers = {}, workflow = false }, signal) {
    const key = idempotencyKey === undefined ? newKey() : idempotencyKey;
    const given = { ...headers };
    if (key !== null && !workflow) given["idempotency-key"] = key;
    if (body !== undefined) given["content-type"] ??= "application/json";
    const content = body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body);
    const request = { method: "POST", headers: given, body: content, signal };
    return this.#request(path, request, workflow || key !== null);
  }

  /** fetch does not say whether a request that failed has arrived: one that is not repeatable is made once. */
  async #request(path, request, repeatable = true) {
    const tries = new Tries(this.#options, request.signal);
    const headers = { ...this.#options.headers, ...request.headers };
    for (;;) {
      try {
        const response = await fetch(this.#url + path, { ...request, headers });
        // read here: the connection may still break in the middle of the body
        const whole = new Response(await response.arrayBuffer(), response);
        if (!repeatable || !IN_BETWEEN.has(whole.status) || ofInvocation(whole)) return whole;
        await tries.pause(`${this.#url} answers ${whole.status}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        if (!repeatable) throw new ConnectionLost(`${path} may have run: ${error.message}`, { cause: error });
        await tries.pause(`nothing answers at ${this.#url}`);
      }
    }
  }
}

/** Pauses between tries: each twice as long as the last, by chance up to half shorter. */
class Tries {
  #failures = 0;
  #silentSince;

  constructor(options, signal) {
    this.options = options;
    this.signal = signal;
  }

  answered() {
    this.#silentSince = undefined;
  }

  progressed() {
    this.#failures = 0;
    this.#silentSince = undefined;
  }

  async pause(problem) {
    const { firstPauseMs, pauseMaxMs, giveUpAfterMs } = this.options;
    this.#silentSince ??= performance.now();
    const longestMs = Math.min(pauseMaxMs, firstPauseMs * 2 ** this.#failures++);
    const pauseMs = longestMs * (0.5 + Math.random() / 2);
    if (performance.now() + pauseMs - this.#silentSince > giveUpAfterMs) {
      throw new ConnectionLost(`${problem}, for ${giveUpAfterMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    this.signal?.throwIfAborted();
  }
}

/** The frames of a body as events; a frame without its empty line is half of one, and comes again. */
async function* eventsOf(body, left) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let fields = {};
  for (;;) {
    const silent = setTimeout(() => left.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silent));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line !== "") {
        const colon = line.indexOf(": ");
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
      } else {
        if (fields.data !== undefined) yield eventOf(fields);
        fields = {};
      }
    }
  }
}

function eventOf({ id, event, data }) {
  const { at, source, ...told } = JSON.parse(data);
  if (event === "attempt") told.source = source;
  return { index: Number(id), type: event, data: told, source, atMs: at };
}

function targetPath(target, key) {
  const [service, handler, ...more] = target.split("/");
  if (!service || !handler || more.length) {
    throw new TypeError(`target '${target}' is not of the form 'Service/handler'`);
  }
  const segments = key === undefined ? [service, handler] : [service, key, handler];
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

async function valueOf(response) {
  if (!response.ok) throw await errorOf(response);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length === 0) return null;
  const isJson = /^application\/([^;]*\+)?json\b/.test(response.headers.get("content-type") ?? "");
  return isJson ? JSON.parse(new TextDecoder().decode(bytes)) : bytes;
}

async function errorOf(response) {
  const text = await response.text();
  try {
    const { code, message, metadata } = JSON.parse(text);
    return ofInvocation(response)
      ? new InvocationFailed(code, message, metadata)
      : new RequestError(response.status, message);
  } catch {
    return new RequestError(response.status, text);
  }
}

function ofInvocation(response) {
  return response.headers.get("x-restate-error-source") === "invocation";
}

// crypto.randomUUID is there only on https and localhost.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function lengthOf(said) {
  return said.reduce((length, { delta }) => length + delta.length, 0);
}
