// Analysis of a capture: each packet taken apart, its checksums verified, its flow counted.

const NOTES = `\`plain\` reads the file by hand, \`npm\` with pcap-parser, the fastest of the readers on npm that were tried; \`packets\` is the
package with a CaptureReader and a packet handed over for each frame, of 555 bytes. One thread of the package that reads, takes apart, sums and
releases them takes some 450 ns a frame, three threads 750: the rest is what it costs to move structs, bytes and free memory from core to
core, and to wake threads. So what is handed over should be worth some microseconds of work: a parcel of 230 frames, as in \`ours\`, or frames
of which more is wanted than sums.

For scale, on the same machine: \`tcpdump -r file -w /dev/null\`, which takes nothing apart, 0.2 µs of CPU a packet and 2.1 to 2.6 million a
second; \`tshark -q -z conv,ip\`, which takes everything apart, 5.7 µs and 60 to 80 thousand.`;

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
  notes: NOTES,
  marks: [{ figure: "rate", against: "npm", least: 3, load: "1GB" }],
};
