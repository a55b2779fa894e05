// Who takes views of shared memory, as the browser says: each entry tries one, in a page or in a worker of it.

/** The body of a function that runs in a page, isolated, and returns for each API whether it "takes", "refuses" or "spoils" them, or is "absent". */
export const ACCEPTS = `
const view = new Uint8Array(new SharedArrayBuffer(4096)).fill(200);
const absent = (...names) => names.some((name) => globalThis[name] === undefined);
// Some take it for an object, and its text for the bytes.
const same = (buffer) => {
  const got = new Uint8Array(buffer);
  if (got.length !== view.length || got.some((byte, i) => byte !== view[i])) return "spoils";
};
const tries = {
  "WebSocket.send": async () => {
    const socket = new WebSocket(args[0]);
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    try { socket.send(view); } finally { socket.close(); }
  },
  "RTCDataChannel.send": async () => {
    if (absent("RTCPeerConnection")) return "absent";
    const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
    a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
    b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
    const channel = a.createDataChannel("x");
    const opened = new Promise((resolve) => { channel.onopen = () => resolve(true); setTimeout(() => resolve(false), 5000); });
    await a.setLocalDescription(await a.createOffer());
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription(await b.createAnswer());
    await a.setRemoteDescription(b.localDescription);
    try {
      if (!(await opened)) return "absent";
      channel.send(view);
    } finally { a.close(); b.close(); }
  },
  "fetch": async () => same(await (await fetch(args[1], { method: "POST", body: view })).arrayBuffer()),
  "Blob": async () => same(await new Blob([view]).arrayBuffer()),
  "BYOB reader": () => absent("ReadableByteStreamController") ? "absent" : new ReadableStream({ type: "bytes", pull(c) { c.byobRequest.respond(1); } }).getReader({ mode: "byob" }).read(view.subarray(0, 8)),
  "TextDecoder": () => { if (new TextDecoder("latin1").decode(view) !== "\u00c8".repeat(4096)) return "spoils"; },
  "crypto.subtle": () => crypto.subtle.digest("SHA-256", view),
  "CompressionStream": async () => {
    if (absent("CompressionStream")) return "absent";
    const stream = new CompressionStream("gzip");
    const writer = stream.writable.getWriter();
    const read = new Response(stream.readable).arrayBuffer();
    read.catch(() => {});
    writer.closed.catch(() => {});
    await Promise.all([writer.write(view), writer.close(), read]);
  },
  "WebCodecs": () => {
    if (absent("EncodedVideoChunk", "VideoFrame")) return "absent";
    new EncodedVideoChunk({ type: "key", timestamp: 0, data: view });
    new VideoFrame(view, { format: "RGBA", codedWidth: 4, codedHeight: 4, timestamp: 0 }).close();
  },
  "WebGL": () => {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (gl === null) return "absent";
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, view, gl.STATIC_DRAW);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 4, 4, 0, gl.RGBA, gl.UNSIGNED_BYTE, view);
  },
  "WebGPU": async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    if (adapter == null) return "absent";
    const device = await adapter.requestDevice();
    device.queue.writeBuffer(device.createBuffer({ size: 4096, usage: GPUBufferUsage.COPY_DST }), 0, view);
  },
  "FileSystemSyncAccessHandle": async () => {
    if (navigator.storage?.getDirectory === undefined) return "absent";
    const source = \`onmessage = async ({ data }) => {
      try {
        const folder = await navigator.storage.getDirectory();
        const file = await folder.getFileHandle("accepts", { create: true });
        if (file.createSyncAccessHandle === undefined) return postMessage("absent");
        const handle = await file.createSyncAccessHandle();
        try { handle.write(data, { at: 0 }); handle.read(data, { at: 0 }); postMessage("takes"); }
        finally { handle.close(); }
      } catch (error) { postMessage(String(error)); }
    }\`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const said = await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = (e) => resolve("error " + e.message); worker.postMessage(view); });
    worker.terminate();
    if (said === "absent") return said;
    if (said !== "takes") throw new TypeError(said);
  },
};
const results = {};
for (const [name, attempt] of Object.entries(tries)) {
  try {
    const said = await attempt();
    results[name] = said === "absent" || said === "spoils" ? said : "takes";
  }
  catch (error) { results[name] = error instanceof TypeError ? "refuses" : "absent"; results[name + "!"] = String(error); }
}
return results;
`;
