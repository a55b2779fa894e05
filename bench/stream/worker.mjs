// One role on a thread of its own: says when it is ready, and at the end what it used.

import { workerData as role } from "node:worker_threads";
import { say } from "../hop/thread.mjs";
import { Meter } from "./meter.mjs";

const { [role.part]: make } = await import(`./${role.module}.mjs`);
const meter = new Meter(role.phase);
const { run, end, port } = await make({ meter, role });
say({ port });
await run();
say({ ...meter.report(), ...(await end()) });
