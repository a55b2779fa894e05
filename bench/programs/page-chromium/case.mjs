// The programs of `page` in Chromium.

import page from "../page/case.mjs";
import { chromium } from "./find.mjs";

export default {
  ...page,
  name: "page-chromium",
  title: "WebSocket messages, each summed and answered, by 2 workers; a page in Chromium",
  folder: "page-chromium",
  programs: { ours: "ours.mjs", plain: "plain.mjs", alone: "alone.mjs" },
  traffic: "../page/traffic.mjs",
  available: chromium() !== undefined,
};
