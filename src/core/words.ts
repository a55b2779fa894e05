// What can be read of an arena from outside of the core.

/** Reads the 32-bit word at an address. */
export interface Words {
  word(address: number): number;
}
