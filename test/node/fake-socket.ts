// A WebSocket that does nothing by itself: it is as open as the test says.

/** What a sender or receiver looks at. */
export interface FakeSocket {
  binaryType: string;
  readyState: number;
  bufferedAmount: number;
  send(): void;
  close(): void;
  addEventListener(): void;
  removeEventListener(): void;
}

/** The states of a WebSocket that tests are about. */
export const State = { connecting: 0, open: 1, closed: 3 } as const;

export function fakeSocket(readyState: number): FakeSocket {
  return {
    binaryType: "arraybuffer",
    readyState,
    bufferedAmount: 0,
    send: () => {},
    close: () => {},
    addEventListener: () => {},
    removeEventListener: () => {},
  };
}
