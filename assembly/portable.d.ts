// What AssemblyScript provides and TypeScript lacks, so that tsc can check the portable sources.

type u32 = number;
type bool = boolean;

/** A constant of the build: whether assertions are compiled. */
declare const DEBUG: boolean;
/** Throws, or ends the Wasm instance, with the message. Only behind `if (DEBUG)`. */
declare function assert(condition: boolean, message: string): void;
