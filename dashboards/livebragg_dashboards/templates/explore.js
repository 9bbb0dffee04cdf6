// Drawing boxes, dragging detectors, and what comes of it. Lies over page.js.
window.explore = (() => {
  "use strict";
  const NEAR = 7, HAND = 5, PEAK_REACH = 14, NOTE_MS = 5000;
  const { $, put, hide, element, list, paint, isKey } = livebraggDom;
  let tiles = { id: [], tile: [] }, tilesDrawn = null, lut = null, drawing = false, boxes = [], detector = null, drag = null;
  let noteTimer = null, noteShown = "", cardsKey = "";

  // ------------------------------------------------------------- figures and the screen
  function geometry(name) {
    const plot = livebragg.plots()[name], view = plot && Bokeh.index.find_one_by_id(plot.id);
    if (!view || !view.frame) return null;
    const box = view.el.getBoundingClientRect(), frame = view.frame.bbox;
    return { plot, left: box.left + frame.left, top: box.top + frame.top, width: frame.width, height: frame.height,
             perX: (plot.x_range.end - plot.x_range.start) / frame.width, perY: (plot.y_range.end - plot.y_range.start) / frame.height };
  }
  const toData = (g, event) => ({ x: g.plot.x_range.start + (event.clientX - g.left) * g.perX,
                                  y: g.plot.y_range.end - (event.clientY - g.top) * g.perY });
  const toScreen = (g, x, y) => ({ x: g.left + (x - g.plot.x_range.start) / g.perX,
                                   y: g.top + (g.plot.y_range.end - y) / g.perY });
  const inside = (g, event) => event.clientX >= g.left && event.clientX <= g.left + g.width &&
                               event.clientY >= g.top && event.clientY <= g.top + g.height;

  // ---------------------------------------------------------------------- the rubber band
  function preview(canvas, x0, y0, x1, y1, round) {
    let node = canvas.querySelector(".preview");
    if (!node) { node = document.createElement("div"); canvas.append(node); }
    node.className = round ? "preview round" : "preview";
    const box = canvas.getBoundingClientRect();
    Object.assign(node.style, { left: `${Math.min(x0, x1) - box.left}px`, top: `${Math.min(y0, y1) - box.top}px`,
                                width: `${Math.abs(x1 - x0)}px`, height: `${Math.abs(y1 - y0)}px` });
  }
  const circle = (canvas, c, r) => preview(canvas, c.x - r, c.y - r, c.x + r, c.y + r, true);
  const clear = (canvas) => canvas.querySelector(".preview")?.remove();

  // ------------------------------------------------------------------------------ gestures
  // Each answers to a press with what moving and letting go do, or with nothing: then it is Bokeh's.
  function onScan(name, g, event) {
    const start = toData(g, event), canvas = event.currentTarget;
    if (drawing || event.shiftKey) {
      return {
        move: (e) => preview(canvas, event.clientX, event.clientY, e.clientX, e.clientY),
        done: (e) => {
          const end = toData(g, e), moved = Math.hypot(e.clientX - event.clientX, e.clientY - event.clientY);
          if (moved >= 4) livebragg.act("box", { panel: name, x0: start.x, y0: start.y, x1: end.x, y1: end.y });
          toggle(false);
        },
      };
    }
    const box = boxes.findLast((b) => onBorder(g, b.place, event));
    if (!box) return null;
    const [top, left, bottom, right] = box.place, a = toScreen(g, left, top), b = toScreen(g, right, bottom);
    const shift = (e) => [Math.round((e.clientY - event.clientY) * -g.perY), Math.round((e.clientX - event.clientX) * g.perX)];
    return {
      move: (e) => {
        const [rows, cols] = shift(e), dx = cols / g.perX, dy = -rows / g.perY;
        preview(canvas, a.x + dx, a.y + dy, b.x + dx, b.y + dy);
      },
      done: (e) => {
        const [rows, cols] = shift(e);
        if (rows || cols) livebragg.act("move_box", { number: box.number, rows, cols });
      },
    };
  }
  function onBorder(g, [top, left, bottom, right], event) {
    const a = toScreen(g, left, top), b = toScreen(g, right, bottom), { clientX: x, clientY: y } = event;
    const out = x > a.x - HAND && x < b.x + HAND && y > a.y - HAND && y < b.y + HAND;
    return out && !(x > a.x + HAND && x < b.x - HAND && y > a.y + HAND && y < b.y - HAND);
  }
  function onPattern(name, g, event) {
    const start = toData(g, event), canvas = event.currentTarget, reach = NEAR * g.perX;
    if (event.shiftKey) return newAperture(name, g, event, start, canvas);
    if (detector?.kind === "ring" && name === "frame") {
      const r = Math.hypot(start.x, start.y), distances = [Math.abs(r - detector.inner), Math.abs(r - detector.outer)];
      if (Math.min(...distances) > reach) return null;
      return dragRing(g, canvas, distances[1] <= distances[0] ? "outer" : "inner");
    }
    if (detector?.kind === "aperture") {
      const r = Math.hypot(start.x - detector.x, start.y - detector.y);
      if (r > detector.radius + reach) return null;
      const resize = Math.abs(r - detector.radius) < Math.min(reach, 0.5 * detector.radius);
      return dragAperture(name, g, canvas, start, { ...detector }, resize);
    }
    return null;
  }
  function newAperture(name, g, event, start, canvas) {
    const radius = (e) => Math.hypot(e.clientX - event.clientX, e.clientY - event.clientY);
    return {
      move: (e) => circle(canvas, { x: event.clientX, y: event.clientY }, radius(e)),
      done: (e) => livebragg.act("aperture", { panel: name, x: start.x, y: start.y, radius: radius(e) < 4 ? 0 : radius(e) * g.perX }),
    };
  }
  function dragRing(g, canvas, side) {
    const ring = { inner: detector.inner, outer: detector.outer }, beam = toScreen(g, 0, 0);
    const follow = (e) => { const at = toData(g, e); ring[side] = Math.hypot(at.x, at.y); circle(canvas, beam, ring[side] / g.perX); };
    return { move: (e) => { follow(e); livebragg.act("annulus", { ...ring }); }, done: () => {} };
  }
  function dragAperture(name, g, canvas, start, from, resize) {
    const now = { ...from };
    return {
      move: (e) => {
        const at = toData(g, e);
        if (resize) now.radius = Math.hypot(at.x - from.x, at.y - from.y);
        else { now.x = from.x + at.x - start.x; now.y = from.y + at.y - start.y; }
        circle(canvas, toScreen(g, now.x, now.y), now.radius / g.perX);
        livebragg.act("aperture", { panel: name, x: now.x, y: now.y, radius: now.radius });
      },
      done: () => {},
    };
  }
  const GESTURES = { classes: onScan, virtual: onScan, vectors: onPattern, frame: onPattern };

  function listen(canvas, name) {
    canvas.addEventListener("pointerdown", (event) => {
      const g = geometry(name);
      if (event.button !== 0 || !g || !inside(g, event)) return;
      drag = GESTURES[name](name, g, event);
      if (!drag) return;
      drag.canvas = canvas;
      event.stopPropagation(); event.preventDefault();
    }, true);
    canvas.addEventListener("pointermove", (event) => {
      if (drag) return;
      const g = geometry(name);
      canvas.style.cursor = g && inside(g, event) && GESTURES[name](name, g, event) ? (drawing || event.shiftKey ? "crosshair" : "move") : "";
      canvas.classList.toggle("grabbing", canvas.style.cursor !== "");
    });
  }
  function follow(event) {
    if (!drag) return;
    event.stopPropagation();
    drag.move(event);
  }
  function release(event) {
    if (!drag) return;
    event.stopPropagation();
    const done = drag;
    drag = null;
    clear(done.canvas);
    done.done(event);
  }
  function cancel() {
    if (drag) { clear(drag.canvas); drag = null; return true; }
    return false;
  }
  function toggle(on) {
    drawing = on;
    $("draw-box").setAttribute("aria-pressed", String(on));
    for (const name of ["classes", "virtual"]) document.querySelector(`.canvas[data-plot="${name}"]`).classList.toggle("drawing", on);
  }
  function peak(name, x, y) {
    const g = geometry(name);
    if (g) livebragg.act("peak", { panel: name, x, y, radius: PEAK_REACH * g.perX });
  }
  // Escape leaves what was begun, then the detector, then the position.
  function escape() {
    if (cancel()) return;
    if (drawing) toggle(false);
    else livebragg.act("escape");
  }

  // ------------------------------------------------------------------------- from the server
  function card(row) {
    const node = element("div", "box"), pixels = element("div", "pixels"), line = element("div", "line");
    const choice = element("span", "choice"), close = element("button", "plain", "×");
    node.dataset.number = row.number;
    pixels.style.borderColor = row.colour;
    pixels.append(element("canvas"), element("div", "why"));
    for (const [mode, text] of [["map", "map"], ["pattern", "mean"], ["profile", "radial"]]) {
      const button = element("button", "", text);
      button.dataset.mode = mode;
      button.title = { map: "Bragg vector map", pattern: "Mean diffraction pattern", profile: "Radial profile, counts × q" }[mode];
      button.onclick = () => livebragg.act("show_box", { number: row.number, mode });
      choice.append(button);
    }
    close.title = "Delete this box"; close.setAttribute("aria-label", "Delete this box");
    close.onclick = () => livebragg.act("delete_box", { number: row.number });
    line.append(element("span", "note"), choice, close);
    node.append(pixels, line);
    return node;
  }
  function showBoxes(rows) {
    boxes = rows;
    $("panels").classList.toggle("with-boxes", rows.length > 0);
    const key = rows.map((row) => row.number).join();
    if (key !== cardsKey) { cardsKey = key; $("boxes").replaceChildren(...rows.map(card)); tilesDrawn = null; }
    $("boxes").classList.toggle("two", rows.length > 3);
    rows.forEach((row, k) => {
      const node = $("boxes").children[k];
      node.classList.toggle("refused", row.refused);
      put(node.querySelector(".note"), row.refused || !row.note ? row.size : `${row.size} · ${row.note}`);
      for (const button of node.querySelectorAll(".choice button")) button.setAttribute("aria-pressed", String(button.dataset.mode === row.mode));
    });
    drawTiles(rows);
  }
  function drawTiles(rows) {
    const ids = tiles.id, colours = Object.fromEntries(rows.map((row) => [row.number, row.colour]));
    for (const node of $("boxes").children) {
      const row = rows.find((r) => String(r.number) === node.dataset.number), known = ids.includes(node.dataset.number);
      put(node.querySelector(".why"), known ? "" : row?.note ?? "");
      hide(node.querySelector("canvas"), !known);
    }
    if (tilesDrawn === tiles) return;
    tilesDrawn = tiles;
    ids.forEach((id, k) => {
      const canvas = document.querySelector(`.box[data-number="${id}"] canvas`);
      if (canvas) (tiles.tile[k].shape[0] === 1 ? curve : picture)(canvas, tiles.tile[k], colours[id]);
    });
  }
  const picture = (canvas, tile) => paint(canvas, tile.shape, tile, lut);
  function curve(canvas, tile, colour) {
    const w = canvas.width = 480, h = canvas.height = 300, n = tile.shape[1], context = canvas.getContext("2d");
    context.strokeStyle = colour; context.lineWidth = 4; context.lineJoin = "round";
    context.beginPath();
    for (let i = 0; i < n; i++) context.lineTo((i + 0.5) / n * w, h - 10 - tile[i] / 255 * (h - 24));
    context.stroke();
  }
  function showNote(text) {
    if (text === noteShown) return;
    noteShown = text;
    clearTimeout(noteTimer);
    put($("explore-note"), text); hide($("explore-note"), !text);
    if (text) noteTimer = setTimeout(() => hide($("explore-note"), true), NOTE_MS);
  }
  function showDetector(found) {
    detector = found;
    $("virtual-panel").classList.toggle("own", !!found);
    $("virtual-panel").classList.toggle("pending", !!found?.pending);
    hide($("detector-off"), !found); hide($("virtual-hint"), !!found);
    put($("own-note"), found?.note ?? "");
    $("ring").setAttribute("aria-pressed", String(found?.kind === "ring"));
  }
  function showPosition(p) {
    const open = p.mode !== "none";
    hide($("position"), !open); hide(document.querySelector('.canvas[data-plot="profiles"]'), open);
    hide($("profiles-foot"), open); hide($("position-foot"), !open);
    put($("detail-title"), open ? "Features and classes" : "Radial profiles");
    put($("detail-hint"), open ? p.note : "counts × q, without Bragg disks");
    $("detail-panel").classList.toggle("selected", open);
    if (!open) return;
    put($("families-of"), p.families);
    list($("position").querySelector("ul"), p.classes, (row) => {
      const item = element("li"), swatch = element("i"), bar = element("div", "bar"), part = element("i");
      swatch.style.background = part.style.background = row.colour;
      part.style.width = `${100 * row.fraction}%`;
      bar.append(part);
      const weight = element("span", "weight", `w ${row.weight}`);
      weight.title = "weight of the class, in the unit of its family";
      item.append(swatch, element("span", "", row.name), bar, element("span", "part", row.part), weight);
      return item;
    });
  }
  // ------------------------------------------------ kept in the address, for when the page is loaded again
  // What the address says is asked for once the scan is there; only then does it follow what is on the page.
  const before = new URLSearchParams(location.hash.slice(1));
  let waiting = before.get("boxes") || before.get("detector") ? "scan" : "";
  function keep(now, restored, there) {
    if (waiting === "answer" && restored) waiting = "";
    if (waiting === "scan" && there) {
      const same = before.get("scan") === now.scan, old = before.get("detector") ?? "";
      livebragg.act("restore", { boxes: same ? before.get("boxes") ?? "" : "", detector: same || old.startsWith("ring") ? old : "" });
      waiting = "answer";
    }
    if (waiting) return;
    const text = now.boxes || now.detector ? `#${new URLSearchParams(now)}` : "";
    if (text !== location.hash) history.replaceState(null, "", location.pathname + location.search + text);
  }
  function update(u, there, pixels) {
    tiles = pixels ?? tiles;
    showBoxes(u.boxes); showNote(u.note); showDetector(u.detector); showPosition(u.position);
    keep(u.keep, u.restored, there);
  }
  function start(palette) {
    lut = palette;
    for (const name of Object.keys(GESTURES)) listen(document.querySelector(`.canvas[data-plot="${name}"]`), name);
    document.addEventListener("pointermove", follow, true);
    document.addEventListener("pointerup", release, true);
    document.addEventListener("pointercancel", cancel, true);
    $("draw-box").onclick = () => toggle(!drawing);
    $("detector-off").onclick = () => livebragg.act("detector_off");
    $("ring").onclick = () => livebragg.act(detector?.kind === "ring" ? "detector_off" : "annulus");
    document.addEventListener("keydown", (event) => { if (isKey(event, "b")) toggle(!drawing); });
  }
  return { start, update, peak, escape, tiles: () => tiles };
})();
