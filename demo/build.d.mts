/** Writes the page into `folder`, an absolute path. */
export function buildDemo(folder: string): Promise<void>;
