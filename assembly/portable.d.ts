// What AssemblyScript provides and TypeScript lacks, so that tsc can check the portable sources.

type u32 = number;
type bool = boolean;
