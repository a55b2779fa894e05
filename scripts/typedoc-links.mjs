// Links to the README: TypeDoc names its folder, where a server would find index.html, and a browser that opens files a listing.

/** Called by TypeDoc. */
export function load({ renderer }) {
  renderer.on("endPage", (page) => {
    page.contents = page.contents?.replace(/(?<=href="(?:\.\.\/)+)(?=[#"])/g, "index.html");
  });
}
