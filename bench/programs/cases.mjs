// The programs that are measured.

import captureAnalysis from "./capture-analysis/case.mjs";
import logPipe from "./log-pipe/case.mjs";
import page from "./page/case.mjs";
import pageChromium from "./page-chromium/case.mjs";
import relay from "./relay/case.mjs";
import secureRelay from "./secure-relay/case.mjs";
import tunnelFar from "./tunnel-far/case.mjs";
import tunnelNear from "./tunnel-near/case.mjs";

/**
 * Each case has
 *   name, title      what it is, in a word and in a line
 *   folder           where its programs are
 *   programs         side: file. `ours` is compared with each of the others
 *   traffic          the file of the process that makes traffic, with `drive` of lib/traffic.mjs; none if the programs have
 *                    their work themselves, and do it with `work` of lib/program.mjs
 *   unit             what is counted
 *   loads            [{ id, rate }]: units a second, 0 for as many as go through
 *   marks            [{ figure, against, most | least, load }]: a ratio, or, against `nothing`, the figure itself; `load` if not of
 *                    all of them. Default: against `plain`
 *   shares           whether the main thread's share of the CPU time is a figure. Default: false
 *   options          what the programs and the traffic are told, as they like
 *   notes            where the time goes, in Markdown, if that needs to be said. Default: none
 *   available        whether this machine has what it takes. Default: true
 *   check, measure   functions instead of those of lib/run.mjs, for what is measured in another way
 */
export const CASES = [
  relay,
  secureRelay,
  tunnelNear,
  tunnelFar,
  captureAnalysis,
  page,
  pageChromium,
  logPipe,
].filter(({ available = true }) => available);
