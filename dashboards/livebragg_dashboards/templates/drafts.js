// What was typed in the drawer and not sent yet, kept while the page is loaded again in the same tab.
window.livebraggDrafts = (() => {
  "use strict";
  const KEY = "livebragg drafts";
  let typedIn = null;
  const fields = () => [...document.querySelectorAll("#drawer form:not([data-what='rename']) :is(input, select)[name]")];
  const valueOf = (field) => field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
  function keep(mine) {
    const typed = fields().map((field) => ({
      what: field.form.dataset.what, name: field.name, value: valueOf(field), was: field.dataset.was, focus: field === document.activeElement,
    })).filter((one) => one.focus || one.value !== (one.was ?? ""));
    sessionStorage.setItem(KEY, JSON.stringify({ mine, typed }));
  }
  // Nothing, or whether the page had control.
  function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    for (const one of kept?.typed ?? []) {
      const field = fields().find((field) => field.form.dataset.what === one.what && field.name === one.name);
      if (!field) continue;
      if (field.type === "checkbox") field.checked = one.value === "1"; else field.value = one.value;
      if (one.was !== undefined) field.dataset.was = one.was;
      field.dispatchEvent(new Event("input"));
      if (one.focus) typedIn = field;
    }
    return kept;
  }
  // Where one was typing; a field that is disabled, as nobody has control yet, cannot have it.
  function refocus() { typedIn?.focus(); typedIn = null; }
  return { keep, restore, refocus };
})();
