const PAGES = 1024;

export default {
  entries: ["assembly/__tests__/**/*.spec.ts"],
  include: ["assembly/__tests__/**/*.include.ts"],
  disclude: [/node_modules/],
  async instantiate(_memory, createImports, instantiate, binary) {
    // The memory that as-pect offers is unshared; the core under test is the shared flavour.
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
