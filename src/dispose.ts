// `Symbol.dispose`; where that is missing (in WebKitGTK 2.50, say), the name that compilers of `using` fall back to, so that
// what they compile finds it. The build puts this wherever the source says `Symbol.dispose`, so that source and types can say
// just that. Spelt so that it is not replaced itself.

const { dispose = Symbol.for("Symbol.dispose") } = Symbol;

export { dispose as DISPOSE };
