// The control drawer. What is asked goes to the server as an action, what became of it comes back in the texts.
window.livebraggDrawer = (() => {
  "use strict";
  let act = null, shown = {}, chosen = new Set(), picking = false, wanted = false;
  const WANTED_MS = 30_000;
  const { $, put, element, list, typing, isKey } = livebraggDom;
  const open = () => !$("drawer").hidden;
  const mine = () => shown.control?.state === "mine";
  const running = () => mine() && !shown.over;

  function toggle(on = !open()) {
    $("drawer").hidden = !on;
    $("page").classList.toggle("acting", on);
    $("controls").setAttribute("aria-expanded", String(on));
    if (on && shown.control?.state === "free") act("floor", { take: true });
    if (!on) { pick(false); chosen.clear(); act("ring", { radius: "" }); mark(); }
  }
  const ask = (what, more = {}) => act("do", { what, ...more });

  // ------------------------------------------------------------------------ choosing
  function pick(on) {
    picking = on;
    $("d-pick").setAttribute("aria-pressed", String(on));
    $("page").classList.toggle("picking", on);
  }
  function tap(where) {
    if (!picking) return false;
    act("ring", where); pick(false);
    return true;
  }
  function names() {
    return [...document.querySelectorAll(".card")].filter((c) => chosen.has(c.dataset.id)).map((c) => c.querySelector(".class").textContent);
  }
  function mark() {
    for (const card of document.querySelectorAll(".card")) {
      card.classList.toggle("chosen", chosen.has(card.dataset.id));
      card.classList.toggle("locked", shown.locked?.includes(card.dataset.id) ?? false);
    }
    const one = chosen.size === 1 ? [...chosen][0] : null, isLocked = shown.locked?.includes(one) ?? false;
    put($("d-chosen"), shown.over || (chosen.size ? names().join(", ") : "click on cards to choose"));
    const button = (name) => document.querySelector(`[data-do="${name}"]`);
    button("merge").disabled = !running() || chosen.size < 2;
    button("split").disabled = button("lock").disabled = !running() || one === null;
    put(button("lock"), isLocked ? "Unlock" : "Lock");
    const rename = document.querySelector('[data-what="rename"]');
    for (const node of rename.elements) node.disabled = !running() || one === null;
    if (one === null) rename.elements.name.value = "";
  }
  function choose(event) {
    const card = event.target.closest(".card");
    if (!card || !open() || shown.over || event.target.tagName === "INPUT") return;
    const id = card.dataset.id;
    if (chosen.has(id)) chosen.delete(id); else chosen.add(id);
    if (chosen.size === 1) document.querySelector('[data-what="rename"] input').value = names()[0] ?? "";
    mark();
  }
  // A name is changed where it stands: double click, Enter.
  function edit(event) {
    const name = event.target.closest(".card .class");
    if (!name || !open() || !running()) return;
    const input = element("input", "rename"), id = name.closest(".card").dataset.id;
    input.maxLength = 60; input.value = name.textContent;
    const end = () => { input.onblur = null; input.replaceWith(name); };
    input.onkeydown = (key) => {
      key.stopPropagation();
      if (key.key === "Enter") { ask("rename", { id, name: input.value }); end(); }
      if (key.key === "Escape") end();
    };
    input.onblur = end;
    name.replaceWith(input); input.focus(); input.select();
  }

  // ------------------------------------------------------------------------- pictures
  function savePicture() {
    const plot = livebragg.plots().classes, view = Bokeh.index.find_one(plot);
    const canvas = view.export("png").canvas, link = document.createElement("a");
    link.download = `${$("name").textContent.replace(/[^\w.-]+/g, "_") || "livebragg"}_phases.png`;
    canvas.toBlob((blob) => { link.href = URL.createObjectURL(blob); link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 5000); });
  }
  // What cannot be taken back asks again, for five seconds.
  function twice(id, what, question) {
    const button = $(id), usual = button.textContent;
    let timer = null;
    const reset = () => { clearTimeout(timer); delete button.dataset.sure; put(button, usual); };
    button.onclick = () => {
      if (button.dataset.sure) { ask(what, { confirmed: true }); reset(); return; }
      button.dataset.sure = "1"; put(button, question);
      timer = setTimeout(reset, 5000);
    };
  }
  function threshold() {
    const known = shown.thresholds?.[$("d-threshold").value], field = $("d-threshold-value");
    if (!known) return;
    const limits = known.limits ? `${known.unit}, ${known.limits}` : known.unit;
    field.title = $("d-threshold").title = limits;
    const key = `${$("d-threshold").value} ${known.value}`;
    if (document.activeElement !== field && field.dataset.was !== key) { field.dataset.was = key; field.value = known.value; }
  }

  // ------------------------------------------------------------------ from the server
  function fill(values) {
    for (const field of document.querySelectorAll("#drawer [data-value]")) {
      const value = values[field.dataset.value] ?? "";
      if (document.activeElement === field || field.dataset.was === value) continue;
      field.dataset.was = value;
      if (field.type === "checkbox") field.checked = value === "1"; else field.value = value;
    }
    document.querySelector("#drawer .given").hidden = document.querySelector('[data-value="ellipse"]').value !== "given";
  }
  // What was refused is not set: its field shows again what is.
  function refill(before) {
    const last = shown.acts[0];
    if (last?.state !== "refused" || (before.acts?.[0]?.n === last.n && before.acts[0].state === "refused")) return;
    for (const field of document.querySelectorAll(`#drawer [data-what="${CSS.escape(last.what)}"] input[data-value], #drawer [data-what="${CSS.escape(last.what)}"] select[data-value]`)) delete field.dataset.was;
    if (last.what === "threshold") delete $("d-threshold-value").dataset.was;
    if (last.what === "class_number") document.querySelector('[data-what="class_number"] input').value = "";
  }
  function show(d) {
    const before = shown;
    shown = d;
    if (before.scan !== d.scan || d.over) chosen.clear();
    $("controls").dataset.control = d.control.state;
    $("controls").dataset.last = d.acts[0]?.state ?? "";
    if (wanted && d.control.state === "free") act("floor", { take: true });
    $("d-pause").setAttribute("aria-pressed", String(d.paused));
    put($("d-pause"), d.paused ? "Go on" : "Pause");
    $("paused").hidden = !d.paused;
    if (!open()) return;
    put($("d-control"), d.control.text); $("d-control").title = d.control.text;
    $("d-control").dataset.control = d.control.state;
    document.querySelector('[data-floor="take"]').hidden = !["free", "idle"].includes(d.control.state);
    document.querySelector('[data-floor="release"]').hidden = d.control.state !== "mine";
    for (const set of document.querySelectorAll("fieldset[data-acts]")) set.disabled = !mine();
    for (const node of document.querySelectorAll(".scan [data-acts] button, .scan [data-acts] input, .scan form input, .scan form button, #d-clear, [data-what='class_number'] *")) node.disabled = !running();
    if (wanted && mine()) { wanted = false; livebraggDrafts.refocus(); }
    $("d-pause").disabled = !!d.over && !d.paused;
    for (const [id, text] of [["d-feed", d.attached.feed], ["d-control-endpoint", d.attached.control]]) {
      const field = $(id);
      if (document.activeElement !== field && field.dataset.was !== text) field.value = field.dataset.was = text;
      field.title = text;
      field.disabled = d.control.state === "view";
    }
    $("d-attach").disabled = d.control.state === "view";
    list($("d-acts"), d.acts, outcome);
    const last = d.acts[0];
    for (const node of document.querySelectorAll("#drawer [data-what], #drawer [data-do]")) {
      const name = node.dataset.what ?? node.dataset.do;
      if (last?.what === name) node.dataset.state = last.state; else delete node.dataset.state;
    }
    put($("d-origin"), d.origin); put($("d-pixel"), d.pixel); put($("d-ellipse"), d.ellipse); put($("d-preview"), d.ring.preview);
    $("d-ellipse").title = d.ellipse; $("d-preview").title = d.ring.preview;
    if (d.ring.radius !== before.ring?.radius && document.activeElement !== $("d-radius")) $("d-radius").value = d.ring.radius;
    put($("d-mark"), d.selected ? `Mark ${d.selected}` : "Mark the moment");
    refill(before);
    fill(d.values);
    threshold();
    mark();
  }
  const SIGNS = { pending: "…", done: "✓", refused: "✗" };
  function outcome(one) {
    const item = element("li");
    item.dataset.state = one.state;
    item.textContent = item.title = `${SIGNS[one.state]} ${one.words}${one.note ? `: ${one.note}` : one.state === "pending" ? ": asked" : ""}`;
    return item;
  }

  // A page that is loaded again, as its server was away, has the drawer and what was typed in it as before; control
  // comes back if nobody else has taken it, which the server knows when it has forgotten the page before.
  function restore() {
    const kept = livebraggDrafts.restore();
    if (!kept) return;
    toggle(true);
    wanted = kept.mine;
    setTimeout(() => { wanted = false; }, WANTED_MS);
  }
  function start(send) {
    act = send;
    $("controls").onclick = () => toggle();
    document.addEventListener("keydown", (event) => {
      if (isKey(event, "c")) toggle();
      if (event.key === "Escape" && open()) { if (picking) pick(false); else if (typing(event)) event.target.blur(); }
    });
    for (const button of document.querySelectorAll("[data-floor]")) button.onclick = () => act("floor", { take: button.dataset.floor === "take" });
    for (const form of document.querySelectorAll("#drawer form")) {
      form.onsubmit = (event) => {
        event.preventDefault();
        const what = form.dataset.what, more = Object.fromEntries(new FormData(form));
        if (what === "rename") more.id = [...chosen][0];
        if (what === "orientation") more.flip = form.elements.flip.checked;
        if (what === "mark") more.where = shown.selected ? "position" : "moment";
        if (what === "class_number") more.value ||= "0";
        ask(what, more);
        if (what === "mark") form.reset();
        document.activeElement.blur();
      };
    }
    for (const button of document.querySelectorAll("[data-do]")) {
      button.onclick = () => {
        const what = button.dataset.do, one = [...chosen][0];
        ask(what, what === "merge" ? { ids: [...chosen] } : what === "lock" ? { id: one, locked: !shown.locked.includes(one) } : { id: one });
        if (what === "merge" || what === "split") { chosen.clear(); mark(); }
      };
    }
    document.querySelector('[data-value="ellipse"]').onchange = (event) => { document.querySelector("#drawer .given").hidden = event.target.value !== "given"; };
    $("d-pick").onclick = () => pick(!picking);
    $("d-radius").oninput = (event) => act("ring", { radius: event.target.value });
    $("d-spacing").oninput = (event) => act("ring", { spacing: event.target.value });
    twice("d-stop", "stop", "Really stop the scan?");
    twice("d-clear", "clear", "Find all anew?");
    $("d-threshold").onchange = threshold;
    $("d-pause").onclick = () => act("pause", { on: !shown.paused });
    $("paused").onclick = () => act("pause", { on: false });
    $("d-picture").onclick = savePicture;
    $("d-attach").onclick = () => act("attach", { feed: $("d-feed").value.trim(), control: $("d-control-endpoint").value.trim() });
    restore();
    addEventListener("pagehide", () => { if (open()) livebraggDrafts.keep(mine()); });
    $("families").addEventListener("click", choose);
    $("families").addEventListener("dblclick", edit);
  }
  return { start, show, tap, toggle };
})();
