// For keyboards and screen readers: what scrolls can have the focus, and what the theme leaves without a name has one.
function name(part, label) {
  part.setAttribute("aria-label", label);
}
function mend() {
  document.querySelectorAll('.md-search[role="dialog"]').forEach((part) => name(part, "Search"));
  document.querySelectorAll("nav.md-code__nav:not([aria-label])").forEach((part, k) => name(part, `Code ${part.firstChild?.dataset.clipboardTarget || k}`));
  document.querySelectorAll("pre > code:not([tabindex]), .md-typeset__scrollwrap:not([tabindex])").forEach((part) => {
    part.tabIndex = 0;
  });
}
document.addEventListener("DOMContentLoaded", () => {
  mend();
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true }); // parts come when they are seen
});
