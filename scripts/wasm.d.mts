export function compileCore(root: string): Promise<Uint8Array>;
export function memoryFlagsAt(bytes: Uint8Array): number;
