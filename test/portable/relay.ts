// Workers that a page makes for a worker. In Firefox the constructor of a worker within a worker comes back after minutes now
// and then, while the page and the processor are idle. So there the threads of a test in a worker are
// the page's, and it passes their messages on.

/** What of a web's Worker the tests use. */
export interface WebWorker {
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

/** In the worker: where the page listens that makes its workers; undefined if the worker makes them itself. */
let page: MessagePort | undefined;

export function letPageMakeWorkers(port: MessagePort): void {
  page = port;
  (globalThis as { pageMakesWorkers?: unknown }).pageMakesWorkers = makeThroughPage;
}

function makeThroughPage(url: string, name: string): WebWorker {
  const { port1: own, port2: theirs } = new MessageChannel();
  const worker: WebWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (data) => own.postMessage({ data }),
    terminate: () => own.postMessage({ end: true }),
  };
  own.onmessage = ({ data: { data, error } }) => {
    if (error === undefined) worker.onmessage?.(new MessageEvent("message", { data }));
    else worker.onerror?.(new ErrorEvent("error", { message: error, cancelable: true }));
  };
  page?.postMessage({ url, name }, [theirs]);
  return worker;
}

/** In the page: makes workers for whoever has the other end of `port`. */
export function makeWorkers(port: MessagePort): void {
  port.onmessage = ({ data: { url, name }, ports }) => {
    const own = ports[0] as MessagePort;
    const worker = new Worker(url, { type: "module", name });
    worker.onmessage = ({ data }) => own.postMessage({ data });
    worker.onerror = (event) => {
      event.preventDefault();
      own.postMessage({ error: event.message || "failed to start" });
    };
    own.onmessage = ({ data: { data, end } }) => {
      if (end === true) worker.terminate();
      else worker.postMessage(data);
    };
  };
}
