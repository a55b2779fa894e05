// Analysis of a capture: each packet taken apart, its checksums verified, its flow counted.

export default {
  name: "capture-analysis",
  title:
    "capture analysis: packets read from a file, taken apart, checksums verified, flows counted; two workers against one thread",
  programs: { ours: "ours.mjs", plain: "plain.mjs", npm: "npm.mjs", packets: "packets.mjs" },
  unit: "packet",
  options: { checked: 4e6 },
  loads: [
    { id: "64MB", title: "64 MB", bytes: 64e6 },
    { id: "1GB", title: "1 GB", bytes: 1e9 },
  ],
  marks: [{ figure: "rate", against: "npm", least: 3, load: "1GB" }],
};
