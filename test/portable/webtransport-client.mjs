// Packets through a real WebTransport and back, for a page or for Deno: `CASES` by name. Each throws when something is wrong,
// and returns what else there is to know.

import { Engine, Ubuf, UserRegion } from "../../dist/index.js";
import { audit } from "../../dist/inspect.js";
import { TransportError, WebStreamReceiver, WebStreamSender } from "../../dist/web.js";

const PACKETS = 300;
/** Datagrams under way at a time: fewer than fill anybody's queue. */
const DATAGRAMS = 8;
/** Milliseconds after which a datagram that has not come back is lost. */
const LOST_MS = 500;
/** Deno 2.9 does not tell its peer of the end of a stream (denoland/deno#36822). */
const SENDS_END = globalThis.Deno === undefined;

function expect(good, what) {
  if (!good) throw new Error(what);
}

function thrown(what) {
  try {
    what();
  } catch (error) {
    return error;
  }
}

const lengthOf = (i) => (i * i * 37) % (i % 10 === 0 ? 70001 : 1501);

/** A session, and an engine whose packets are known by their numbers. */
async function open(url, hash) {
  const value = Uint8Array.from(atob(hash), (char) => char.charCodeAt(0));
  const session = new WebTransport(url, { serverCertificateHashes: [{ algorithm: "sha-256", value }] });
  // Each case looks at what becomes of the session where it matters.
  session.closed.catch(() => {});
  await session.ready;
  const engine = await Engine.create({ memory: 8 * 1024 * 1024 });
  let lent = 0;
  let returned = 0;
  const byteAt = (packet, i) => (packet * 7 + i * 3 + (i >> 8)) & 0xff;
  return {
    session,
    engine,
    /** A packet of `n` bytes: part in the head, part in pages or lent. */
    packet(i, n) {
      const bytes = Uint8Array.from({ length: n }, (_, at) => byteAt(i, at));
      const cut = Math.min(i % 97, n);
      const skb = engine.alloc(cut).putData(bytes.subarray(0, cut));
      const rest = bytes.subarray(cut);
      if (rest.length === 0) return skb;
      if (i % 3 > 0) return skb.append(rest);
      const region = new UserRegion(engine, rest.length);
      region.bytes.set(rest);
      const back = () => {
        returned++;
        region.release();
      };
      lent++;
      skb.addUserFrag(region, 0, rest.length, new Ubuf(engine, back));
      return skb;
    },
    /** Checks that it is the packet, and releases it. */
    check(i, n, skb) {
      const bytes = skb.toBytes();
      skb.release();
      expect(bytes.length === n, `packet ${i}: ${bytes.length} bytes, not ${n}`);
      const wrong = bytes.findIndex((byte, at) => byte !== byteAt(i, at));
      expect(wrong < 0, `packet ${i}: byte ${wrong}`);
    },
    /** Checks that nothing is left of all packets. */
    close() {
      expect(returned === lent, `${returned} of ${lent} lent buffers came back`);
      expect(audit(engine).clean, "the audit is not clean");
      const left = engine.close();
      expect(left.length === 0, `${left.length} packets are left`);
    },
  };
}

/** Resolves with whether the promise did in time. */
function within(promise, ms) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  return Promise.race([promise.then(() => true), late]).finally(() => clearTimeout(timer));
}

/** Datagrams of every length there can be, so that each is known by its length. Some may be lost. */
async function datagrams(url, hash) {
  const { session, engine, packet, check, close } = await open(`${url}/echo`, hash);
  const most = session.datagrams.maxDatagramSize;
  const longest = Math.min(most, 1200);
  const sender = new WebStreamSender(engine, session.datagrams.writable, { longest: most });
  const receiver = new WebStreamReceiver(engine, session.datagrams.readable, { headroom: 64 });
  const under = new Map();
  let back = 0;
  const receiving = (async () => {
    for await (const skb of receiver) {
      const n = skb.length;
      const arrived = under.get(n);
      expect(arrived !== undefined, `a datagram of ${n} bytes was not sent, or came twice`);
      under.delete(n);
      check(n, n, skb);
      back++;
      arrived();
    }
  })();
  // Whoever fails is found by those who wait below.
  receiving.catch(() => {});
  const echoed = async (n) => {
    const arrival = new Promise((resolve) => under.set(n, resolve));
    const skb = packet(n, n);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
    await within(arrival, LOST_MS);
  };
  let next = 1;
  const some = async () => {
    while (next <= longest) await Promise.race([echoed(next++), receiving]);
  };
  await Promise.all(Array.from({ length: DATAGRAMS }, some));
  const long = packet(0, most + 1);
  expect(thrown(() => sender.enqueue(long)) instanceof RangeError, "a datagram that is too long was taken");
  long.release();
  await sender.close();
  await receiver.close();
  await receiving;
  const { sent } = sender.stats();
  expect(sent === longest, `${sent} of ${longest} datagrams were sent`);
  expect(back > 0.9 * longest, `${back} of ${longest} datagrams came back`);
  session.close();
  close();
  return `datagrams of 1..${longest} bytes, ${longest - back} lost`;
}

/** Framed packets through a stream: all of them, in order, and the end of the stream behind them. */
async function stream(url, hash) {
  const { session, engine, packet, check, close } = await open(`${url}/echo`, hash);
  const { readable, writable } = await session.createBidirectionalStream();
  const sender = new WebStreamSender(engine, writable, { framing: "length32" });
  const receiver = new WebStreamReceiver(engine, readable, { framing: "length32", headroom: 64 });
  const send = async () => {
    for (let i = 0; i < PACKETS; i++) {
      const skb = packet(i, lengthOf(i));
      while (!sender.enqueue(skb)) await sender.waitWritableAsync();
    }
    await sender.close();
  };
  const receive = async () => {
    let i = 0;
    for await (const skb of receiver) {
      if (i < PACKETS) check(i, lengthOf(i), skb);
      else {
        expect(skb.length === 0, "more came back than was sent");
        skb.release();
      }
      i++;
      if (i === PACKETS + (SENDS_END ? 1 : 0)) break;
    }
    return i;
  };
  const [n] = await Promise.all([receive(), send()]);
  expect(n >= PACKETS, `${n} of ${PACKETS} packets came back`);
  const { sent, failed, bytes } = sender.stats();
  expect(sent === PACKETS && failed === 0, `${sent} packets were sent, ${failed} failed`);
  await receiver.close();
  session.close();
  close();
  return `${n} packets, ${bytes} bytes, ${receiver.byob ? "BYOB" : "chunks"}`;
}

/** The session ends while packets are on their way in both directions. */
async function ended(url, hash, endIt) {
  const { session, engine, packet, check, close } = await open(url, hash);
  const { readable, writable } = await session.createBidirectionalStream();
  const sender = new WebStreamSender(engine, writable, { framing: "length32" });
  const receiver = new WebStreamReceiver(engine, readable, { framing: "length32" });
  const datagrams = new WebStreamSender(engine, session.datagrams.writable);
  const echoes = new WebStreamReceiver(engine, session.datagrams.readable);
  for (let i = 1; i <= DATAGRAMS; i++) datagrams.enqueue(packet(i, i));
  let last;
  const send = async () => {
    for (let i = 0; ; i++) {
      last = packet(i, lengthOf(i));
      while (!sender.enqueue(last)) await sender.waitWritableAsync();
    }
  };
  const receive = async () => {
    let i = 0;
    for await (const skb of receiver) {
      check(i, lengthOf(i), skb);
      i++;
      if (i === PACKETS / 3) endIt(session);
    }
    return "the end";
  };
  const [told, came] = await Promise.all([send().catch((error) => error), receive().catch((error) => error)]);
  expect(told instanceof TransportError, `the sender ended with ${told}`);
  expect(came instanceof TransportError, `the receiver ended with ${came}`);
  expect(last.alive, "the packet that was refused is gone");
  last.release();
  expect((await sender.close().catch((error) => error)) === told, "close() says something else");
  const { inFlight, inFlightBytes } = sender.stats();
  expect(inFlight === 0 && inFlightBytes === 0, `${inFlight} packets are on their way`);
  await receiver.close();
  await session.closed.catch(() => {});
  // Firefox 153 does not tell these of the end.
  const reason = new Error("the session is over");
  datagrams.abort(reason);
  const ended = await datagrams.close().catch((error) => error);
  expect(ended === reason || ended instanceof TransportError, `aborted, and closed with ${ended}`);
  echoes.abort(reason);
  close();
  return `sender: ${told.message}; receiver: ${came.message}`;
}

export const CASES = {
  "datagrams go there and back": datagrams,
  "packets go through a stream and back": stream,
  "the peer closes the session": (url, hash) => ended(`${url}/close`, hash, () => {}),
  "the session is closed here": (url, hash) => ended(`${url}/echo`, hash, (session) => session.close()),
};
