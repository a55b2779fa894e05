// The programs of `page` in Chromium.

import page from "../page/case.mjs";
import { chromium } from "./find.mjs";

const NOTES = `All threads of the page's process are counted. By a CPU profile of its main thread, 1200 bytes flat out, a fifth of the time is the
package's, wake-ups of workers included; a sixth is \`WebSocket.send\`, and more than half the browser's own, which has a task for each
message.`;

export default {
  ...page,
  name: "page-chromium",
  title: "WebSocket messages, each summed and answered, by 2 workers; a page in Chromium",
  folder: "page-chromium",
  programs: { ours: "ours.mjs", plain: "plain.mjs", alone: "alone.mjs" },
  traffic: "../page/traffic.mjs",
  notes: NOTES,
  available: chromium() !== undefined,
};
