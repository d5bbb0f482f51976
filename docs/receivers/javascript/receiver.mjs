// A listener for lmshooks: verifies, de-duplicates, queues, answers. Node.js 18 or later, nothing else.
//
//     WEBHOOK_SECRETS="whsec_..." node receiver.mjs 8080
//
// While a secret is rotated, give both, parted by a space. A public key (whpk_...) stands there as a secret does. Paste it,
// and put your work into `handle`.

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE = 300; // seconds between the sender's clock and ours
const LARGEST_BODY = 6 * 1024 * 1024; // bytes; lmshooks sends 1 MiB, or one larger event of at most 5 MiB
const REMEMBERED = 100_000; // event ids
const CAPACITY = 20_000; // events that wait for their turn
const TRIED = 10; // signatures of a key pair in one request: each costs a reading of the whole body

// The slow work, in order. It runs after the answer.
async function handle(account, event) {
  console.log("processed", account, event.eventId, event.eventName);
}

// Whether one of our keys signed these very bytes, not long ago (Standard Webhooks).
function signed(keys, headers, body) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": given } = headers;
  if (!id || !given || !/^[0-9]+$/.test(timestamp ?? "")) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return false;
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  let matches = false;
  for (const fits of keys) if (fits(content, given.split(" "))) matches = true;
  return matches;
}

// A secret (whsec_, v1) or a public key (whpk_, v1a) as what tells whether one of the entries is by it.
function verifier(text) {
  const [, kind, encoded] = /^(whsec|whpk)_([A-Za-z0-9+/]+=*)$/.exec(text) ?? [];
  if (!kind) throw new Error("a key in WEBHOOK_SECRETS is neither whsec_ nor whpk_ and base64");
  const key = Buffer.from(encoded, "base64");
  return kind === "whsec" ? secret(key) : publicKey(key);
}

function secret(key) {
  return (content, given) => {
    const expected = Buffer.from(`v1,${createHmac("sha256", key).update(content).digest("base64")}`);
    let matches = false;
    for (const signature of given.map((each) => Buffer.from(each))) {
      if (signature.length === expected.length && timingSafeEqual(signature, expected)) matches = true;
    }
    return matches;
  };
}

function publicKey(key) {
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
  const ours = createPublicKey({ key: jwk, format: "jwk" });
  return (content, given) =>
    given
      .filter((each) => each.startsWith("v1a,"))
      .slice(0, TRIED)
      .some((each) => verify(null, content, ours, Buffer.from(each.slice(4), "base64")));
}

// New events, each once, in the order in which they came.
//
// In memory, so a crash loses what waits. To lose nothing, write the events and their ids in one transaction of your
// database before the answer, and let a unique index refuse the duplicates.
class Inbox {
  #seen = new Set(); // a Set keeps the order of insertion: its first value is the oldest
  #waiting = [];
  #working = false;

  // Whether there was room; if not, nothing was taken.
  put(account, events) {
    const fresh = new Map();
    for (const event of events) {
      const key = JSON.stringify([String(account), event.eventId]);
      if (!this.#seen.has(key)) fresh.set(key, event);
    }
    if (this.#waiting.length + fresh.size > CAPACITY) return false;
    for (const [key, event] of fresh) {
      this.#seen.add(key);
      this.#waiting.push([account, event]);
    }
    while (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
    if (!this.#working) setImmediate(() => this.#work());
    this.#working = true;
    return true;
  }

  async #work() {
    while (this.#waiting.length > 0) {
      const [account, event] = this.#waiting.shift();
      try {
        await handle(account, event);
      } catch (error) {
        console.error("failed", account, event.eventId, error); // it is answered for: keep it somewhere, and go on
      }
    }
    this.#working = false;
  }
}

// The body's bytes; null when there are too many.
async function bytes(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > LARGEST_BODY) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function read(body) {
  try {
    const { accountId, events } = JSON.parse(body);
    const sound = accountId !== undefined && events.every((event) => typeof event.eventId === "string");
    return sound ? { accountId, events } : null;
  } catch {
    return null;
  }
}

const keys = process.env.WEBHOOK_SECRETS.trim().split(/\s+/).map(verifier);
const inbox = new Inbox();

async function answer(request) {
  if (request.method !== "POST") return [405, { Allow: "POST" }];
  if (Number(request.headers["content-length"] ?? 0) > LARGEST_BODY) return [413, { Connection: "close" }];
  const body = await bytes(request);
  if (body === null) return [413, { Connection: "close" }];
  // First the signature, over the bytes as they came; only then look into them.
  if (!signed(keys, request.headers, body)) return [401, {}];
  const envelope = read(body);
  if (envelope === null) return [400, {}];
  return inbox.put(envelope.accountId, envelope.events) ? [202, {}] : [503, { "Retry-After": "1" }];
}

const server = createServer((request, response) => {
  answer(request).then(
    ([status, headers]) => response.writeHead(status, { "Content-Length": 0, ...headers }).end(),
    () => response.destroy(), // the sender went away in the middle of its body
  );
});
server.requestTimeout = 10_000; // milliseconds in which a request must have come
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
