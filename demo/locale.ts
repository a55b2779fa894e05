// The language of the page's numbers, which is also the browser's from here on where that has none that it knows itself ("C",
// on a system without a language): the library of the charts would fail when it is loaded.

function settle(): string {
  const language = "en";
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, "language", { value: language });
  }
  return language;
}

export const LANGUAGE = settle();
