// The browser's half of the page: actions up, and what the server says down.
window.livebragg = (() => {
  "use strict";
  const GRADIENTS = {
    gray: "#000,#333,#666,#999,#ccc,#fff",
    inferno: "#000003,#320a5e,#781c6d,#bb3654,#ec6824,#fbb41a,#fcfea4",
    viridis: "#440154,#414487,#2a788e,#22a884,#7ad151,#fde724",
    cividis: "#00204c,#414d6b,#7b7b78,#bcad6c,#ffe945",
    magma: "#000003,#3b0f6f,#8c2980,#dd4968,#fd9f6c,#fbfcbf",
  };
  // Of these only the newest counts, however fast they come.
  const HELD_MS = { select: 25, peak: 25, aperture: 60, annulus: 60, hover: 80 }, held = {};
  // A server that is silent is busy; one that is cut off, or silent for longer than any work takes, has lost this page.
  const SILENT_MS = 5000, GIVEN_UP_MS = 60_000, RECOVERED_MS = 8000;
  let link = null, plots = {}, extents = {}, stepNm = null, heard = performance.now(), isCut = false, asking = false;
  let actions = 0, canvases = {}, drawn = 0;
  let sources = {}, tiles = null, tilesDrawn = null, lut = null, texts = {}, before = "bright_field", kept = {}, trouble = null, recovered = null;
  const { $, put, hide, element, list, abgr, paint, typing } = livebraggDom;

  // ------------------------------------------------------------------ to the server
  function act(kind, more = {}) {
    if (!link) return;
    if (!(kind in HELD_MS)) { send(kind, more); return; }
    if (!(kind in held)) setTimeout(() => release(kind), HELD_MS[kind]);
    held[kind] = more;
  }
  function release(kind) {
    const newest = held[kind];
    delete held[kind];
    if (newest) send(kind, newest);
  }
  function send(kind, more) { link.action = JSON.stringify({ n: ++actions, kind, ...more }); }
  const hover = (where) => act("hover", where);
  function leave() { if ("hover" in held) held.hover = null; act("leave"); }

  // ---------------------------------------------------- square pixels and scale bars
  function fit(name) {
    const plot = plots[name], extent = extents[name];
    if (!plot || !extent) return;
    const [left, right, top, bottom] = extent, w = plot.inner_width, h = plot.inner_height;
    if (!(w > 0 && h > 0 && right > left && bottom > top)) return;
    const perPixel = Math.max((right - left) / w, (bottom - top) / h);
    const cx = (left + right) / 2, cy = (top + bottom) / 2, dx = perPixel * w / 2, dy = perPixel * h / 2;
    plot.x_range.setv({ start: cx - dx, end: cx + dx });
    plot.y_range.setv({ start: cy + dy, end: cy - dy });
  }
  function refit(next) {
    for (const [name, extent] of Object.entries(next)) {
      const old = extents[name];
      if (!old || old.some((v, i) => v !== extent[i])) { extents[name] = extent; fit(name); }
    }
  }
  function niceLength(nm) {
    const size = 10 ** Math.floor(Math.log10(nm));
    return [5, 2, 1].map((k) => k * size).find((v) => v <= nm) ?? size;
  }
  function scalebars() {
    for (const bar of document.querySelectorAll(".scalebar")) {
      const name = bar.dataset.plot, plot = plots[name], extent = extents[name];
      const known = plot && extent && stepNm;
      bar.style.display = known ? "flex" : "none";
      if (!known) continue;
      const { start, end } = plot.x_range, perPixel = Math.abs(end - start) / plot.inner_width;
      const edge = (v, range, size) => (v - range.start) / (range.end - range.start) * size;
      const x0 = Math.max(0, edge(extent[0], plot.x_range, plot.inner_width));
      const x1 = Math.min(plot.inner_width, edge(extent[1], plot.x_range, plot.inner_width));
      // Upwards from the lower edge, as Bokeh counts; the page counts downwards.
      const below = Math.max(0, edge(extent[3], plot.y_range, plot.inner_height));
      const nm = niceLength(0.28 * (x1 - x0) * perPixel * stepNm);
      bar.querySelector("i").style.width = `${nm / stepNm / perPixel}px`;
      put(bar.querySelector("b"), nm >= 1000 ? `${nm / 1000} µm` : `${Number(nm.toPrecision(3))} nm`);
      bar.style.left = `${x0 + 10}px`;
      bar.style.bottom = `${below + 10}px`;
    }
  }

  // ------------------------------------------------------------------------- texts
  function showStrip(s, alerts) {
    $("page").dataset.state = s.state; $("page").dataset.source = s.source;
    put($("live"), s.source === "file" ? "Let go" : "Back to live");
    $("live").title = s.source === "file" ? "No position is chosen any more (Esc)" : "The latest frame again (Esc)";
    $("light").dataset.light = s.light;
    put($("phase"), s.phase); put($("reasons"), s.reasons.join(" · "));
    put($("name"), s.name); put($("about"), s.about); $("about").title = s.about;
    $("bar").style.width = `${100 * s.progress.fraction}%`;
    put($("rows"), s.progress.rows);
    put($("results"), s.results ? `results in ${s.results.split("/").at(-1)}` : ""); $("results").title = s.results; put($("left"), s.progress.left); put($("percent"), s.progress.percent ?? "");
    for (const [key, cell] of Object.entries(s.numbers)) {
      const node = $(`n-${key}`);
      if (node) { put(node, cell.text); node.dataset.tone = cell.tone; }
    }
    for (const id of ["banner", "start"]) {
      hide($(id), !s[id]);
      if (s[id]) { put($(id).querySelector("strong"), s[id].title); put($(id).querySelector("p"), s[id].text); }
    }
    const notices = [...livebraggAlerts.past(alerts), ...s.notices];
    list($("notices").querySelector("ul"), notices.length ? notices : ["none"], (text) => {
      const item = element("li", "", text); item.title = text; return item;
    });
    document.title = s.state === "stale" ? "⚠ no data – livebragg" : `${s.name} – ${s.source === "file" ? "file, " : ""}livebragg`;
  }
  // Trouble is said while it lasts, and for a while that it is over.
  function showRibbon(s) {
    const lost = Number(sessionStorage.getItem("lostAt"));
    if (s.trouble) trouble = { ...s.trouble, newest: trouble?.newest ?? s.newest };
    else if (s.state === "live" && (trouble || lost)) {
      const away = Math.round((Date.now() - lost) / 1000), came = trouble && (trouble.kind === "stale" || s.newest > trouble.newest);
      // A stall may be over some updates before its first frame is analysed.
      if (!trouble || came || Date.now() > (trouble.until ??= Date.now() + RECOVERED_MS)) {
        const text = trouble ? (came ? trouble.over : "") : `Connected again after ${away} s without the dashboard server`;
        recovered = { text, until: Date.now() + RECOVERED_MS };
        trouble = null; sessionStorage.removeItem("lostAt");
      }
    }
    const shown = s.trouble ? s.trouble : recovered && Date.now() < recovered.until ? { kind: "recovered", text: recovered.text } : null;
    hide($("ribbon"), !shown?.text);
    if (shown) { put($("ribbon"), shown.text); $("ribbon").dataset.kind = shown.kind; }
  }
  // Cards are made anew only when a class comes, goes, or is renamed; their numbers change in place.
  function showLegend(legend) {
    put($("class-total"), legend.total);
    put(document.querySelector("#legend .more"), legend.more);
    const fixed = legend.families.map((f) => [f.title, f.classes.map((c) => [c.id, c.name, c.colour])]);
    if (!same("plate", fixed)) { $("families").replaceChildren(...legend.families.map(section)); tilesDrawn = null; fitPlate(); }
    legend.families.forEach((family, i) => {
      const node = $("families").children[i];
      put(node.querySelector("h3 b"), family.classes.length > 1 ? family.area : "");
      family.classes.forEach((row, k) => {
        const made = node.lastChild.children[k];
        put(made.querySelector(".area"), row.area);
        made.querySelector("i b").style.width = `${100 * row.fraction}%`;
      });
    });
    drawTiles();
  }
  function same(key, value) {
    const text = JSON.stringify(value), before = kept[key];
    kept[key] = text;
    return before === text;
  }
  function section(family) {
    const node = element("section"), title = element("h3"), cards = element("div");
    node.style.setProperty("--n", family.classes.length);
    title.append(element("span", "family", family.title), element("b"));
    cards.append(...family.classes.map(card));
    node.append(title, cards);
    return node;
  }
  function card(row) {
    const node = element("div", "card"), canvas = element("canvas"), line = element("div", "line");
    const share = element("i"), part = element("b");
    node.dataset.id = row.id; node.title = `${row.name}: click for the map of its parts`;
    canvas.style.borderColor = part.style.background = row.colour;
    share.append(part);
    line.append(share, element("span", "area"));
    node.append(canvas, element("span", "class", row.name), line);
    return node;
  }
  // The fewest columns, so the largest patterns, with which all classes are in view.
  function fitPlate() {
    const plate = $("families"), width = Math.floor(plate.getBoundingClientRect().width); // clientWidth rounds up
    if (!width) return;
    const gap = parseFloat(getComputedStyle(plate).columnGap);
    for (let columns = Math.ceil(width / 210); columns <= (width > 640 ? 14 : 8); columns++) {
      plate.style.setProperty("--columns", columns);
      plate.style.setProperty("--card", `${Math.floor((width - (columns - 1) * gap) / columns)}px`);
      if (plate.scrollHeight <= plate.clientHeight) return;
    }
  }
  function drawTiles() {
    if (!tiles || tilesDrawn === tiles) return;
    tilesDrawn = tiles;
    const [, rows, cols] = tiles.stack.shape;
    tiles.ids.forEach((id, k) => {
      const canvas = document.querySelector(`.card[data-id="${id}"] canvas`);
      if (!canvas) return;
      // Not subarray(): Bokeh's arrays take other arguments than those that it makes one with.
      paint(canvas, [rows, cols], new Uint8Array(tiles.stack.buffer, tiles.stack.byteOffset + k * rows * cols, rows * cols), lut);
      if (!same("frame", cols / rows)) { $("families").style.setProperty("--frame", cols / rows); fitPlate(); }
    });
  }
  function showHeaders(h) {
    list($("image"), h.virtual.options, ([value, title]) => new Option(title, value));
    $("image").value = h.virtual.name;
    for (const card of document.querySelectorAll(".card")) card.classList.toggle("shown", `class:${card.dataset.id}` === h.virtual.name);
    put($("low"), h.virtual.low); put($("high"), h.virtual.high);
    $("gradient").style.background = `linear-gradient(90deg, ${GRADIENTS[h.virtual.palette] ?? GRADIENTS.viridis})`;
    for (const choice of document.querySelectorAll(".choice[data-panel]")) {
      for (const button of choice.children) {
        button.setAttribute("aria-pressed", String(button.textContent === h.scales[choice.dataset.panel]));
      }
    }
    document.querySelectorAll(".q-unit").forEach((node) => put(node, h.q_unit));
    put($("peaks"), h.peaks);
    $("frame-panel").dataset.mode = h.frame.mode;
    put($("frame-title"), h.frame.title); put($("where"), h.frame.where); put($("frame-note"), h.frame.note);
    hide($("live"), h.frame.mode === "live");
    stepNm = h.step_nm;
  }
  function showReadout(values) {
    for (const node of document.querySelectorAll(".readout")) {
      const text = values[node.dataset.panel];
      put(node, text ?? node.dataset.idle ?? "");
      node.classList.toggle("idle", text === undefined);
    }
  }

  // ------------------------------------------------------------------- from the server
  const plain = (value) => value instanceof Map ? Object.fromEntries(value) : value;
  // All of an update is taken at once, so that each figure is painted once; none of it is the server's news.
  function take(columns) {
    for (const [name, data] of Object.entries(columns)) sources[name]?.setv({ data: plain(data) }, { sync: false, check_eq: false });
    if (columns.tiles) tiles = plain(columns.tiles);
  }
  function update(model) {
    const news = plain(model.news), columns = plain(news.columns), u = texts = JSON.parse(news.texts);
    heard = performance.now();
    take(columns);
    hide($("lost"), true);
    showStrip(u.strip, u.alerts); livebraggAlerts.show(u.alerts); showRibbon(u.strip); showLegend(u.legend); showHeaders(u.headers); showReadout(u.readout); livebraggDrawer.show(u.drawer);
    livebraggMarks.show(u.marks);
    explore.update(u.explore, !!u.extents.classes, columns.box_tiles && plain(columns.box_tiles));
    for (const [key, text] of Object.entries(u.trends)) put($(`t-${key}`), text);
    const idle = u.strip.phase === "Complete" || u.strip.phase === "Stopped";
    if (u.strip.source === "file") put($("pace"), `${u.trends.disks} disks per frame · ${u.trends.residual} unexplained`);
    else put($("pace"), `${idle ? "nothing new to draw" : `drawn ${u.pace.rate}, after ${u.pace.p50} (95 %: ${u.pace.p95})`} · skipped ${u.pace.skipped}${u.pace.dropped ? ` · ${u.pace.dropped} actions left out` : ""}`);
    for (const name of Object.keys(plots)) {
      const canvas = canvases[name];
      if (canvas && !name.startsWith("trend_") && name !== "features") canvas.classList.toggle("empty", name === "profiles" ? !u.profiles : !u.extents[name]);
    }
    if (u.extents.classes) {
      const [left, right, top, bottom] = u.extents.classes;
      const aspect = (right - left) / (bottom - top);
      document.querySelector(".hero").style.setProperty("--aspect", aspect);
      document.querySelector(".hero").classList.toggle("wide", aspect > 1.9);
    }
    refit(u.extents);
    // After the next frame is painted: only then is it drawn.
    requestAnimationFrame(() => { scalebars(); setTimeout(() => { drawn = u.seq; model.ack = u.seq; }, 0); });
  }
  async function watch() {
    if (performance.now() - heard < SILENT_MS || document.hidden) return;
    $("page").dataset.state = "lost"; hide($("lost"), false); hide($("banner"), true); hide($("ribbon"), true);
    const since = performance.now() - heard;
    const seconds = `${Math.round(since / 1000)} s`;
    put($("lost").querySelector("strong"), isCut ? `Connection to the dashboard server lost for ${seconds}` : `The dashboard server has said nothing for ${seconds}`);
    if (!sessionStorage.getItem("lostAt")) sessionStorage.setItem("lostAt", String(Date.now() - since));
    if (asking || (!isCut && since < GIVEN_UP_MS)) return;
    asking = true;
    // A file that costs the server nothing: the page itself would be built anew with every question.
    const script = document.querySelector("script[src*='static/js/bokeh']").src;
    try { if ((await fetch(script, { method: "HEAD", cache: "no-store" })).ok) location.reload(); } catch { /* still away */ }
    asking = false;
  }
  function start(model, figures, filled, palette) {
    link = model; sources = plain(filled); lut = Uint32Array.from(palette, abgr);
    new ResizeObserver(fitPlate).observe($("legend"));
    plots = plain(figures);
    canvases = Object.fromEntries([...document.querySelectorAll(".canvas")].map((node) => [node.dataset.plot, node]));
    const theme = new URLSearchParams(location.search);
    theme.set("theme", new URL($("theme").href).searchParams.get("theme"));
    $("theme").href = `?${theme}`;
    $("theme").onclick = (event) => { event.currentTarget.hash = location.hash; };
    explore.start(lut);
    $("live").onclick = () => act("live");
    $("families").addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (!card || !$("drawer").hidden) return; // with the drawer open a click chooses
      const name = `class:${card.dataset.id}`, now = $("image").value;
      if (!now.startsWith("class:") && now !== "own") before = now;
      act("image", { name: now === name ? before : name });
    });
    $("image").onchange = (event) => act("image", { name: event.target.value });
    for (const choice of document.querySelectorAll(".choice[data-panel]")) {
      choice.onclick = (event) => {
        if (event.target.tagName === "BUTTON") act("scale", { panel: choice.dataset.panel, name: event.target.textContent });
      };
    }
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    document.addEventListener("keydown", (event) => {
      if (typing(event)) return;
      if (event.key === "Escape") explore.escape();
      const step = steps[event.key];
      if (step) { event.preventDefault(); act("step", { rows: step[0], cols: step[1] }); }
    });
    livebraggDrawer.start(act);
    livebraggMarks.start();
    heard = performance.now();
    setInterval(watch, 1500);
    if (model.news) update(model);
  }
  const cut = () => { isCut = true; };
  return { start, cut, update, act, hover, leave, fit, plots: () => plots, texts: () => texts, drawn: () => drawn };
})();
