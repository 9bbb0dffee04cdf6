// The drawer with the finished scans of the folder; asked for only while it is open.
window.livebraggScans = (() => {
  "use strict";
  const EVERY_MS = 3000, FIRST_SLOT = 2;
  const $ = (id) => document.getElementById(id);
  let timer = null, shown = "";
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  function thumbnail(scan, colours) {
    const canvas = document.createElement("canvas");
    if (!scan.rows || !scan.cols) return canvas;
    canvas.width = scan.cols; canvas.height = scan.rows;
    const context = canvas.getContext("2d"), image = context.createImageData(scan.cols, scan.rows);
    const without = rgb(getComputedStyle(document.documentElement).getPropertyValue("--unclassified").trim());
    [...atob(scan.pixels)].forEach((text, i) => {
      const index = text.charCodeAt(0);
      if (index) image.data.set([...(index < FIRST_SLOT ? without : rgb(colours[index - FIRST_SLOT])), 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
    return canvas;
  }
  function text(tag, name, value) {
    const node = document.createElement(tag); node.className = name; node.textContent = value; return node;
  }
  function item(scan, colours) {
    const link = document.createElement("a"), words = document.createElement("div"), line = document.createElement("p");
    link.href = `?${new URLSearchParams({ file: scan.file, theme: $("page").dataset.theme })}`;
    link.target = "_blank"; link.dataset.file = scan.file; link.title = `${scan.file}\n${scan.reason}`;
    const verdict = text("b", "verdict", scan.status);
    verdict.dataset.tone = scan.tone;
    line.append(verdict, text("span", "", scan.when));
    words.append(text("strong", "", scan.name), line, text("p", "about", scan.about || scan.reason));
    link.append(thumbnail(scan, colours), words);
    return link;
  }
  function show(list) {
    const key = JSON.stringify(list);
    if (key === shown) return;
    shown = key;
    $("scans-folder").textContent = list.scans.length ? `${list.scans.length} in ${list.folder}` : "none yet";
    $("scans-list").replaceChildren(...list.scans.map((scan) => item(scan, list.colours)));
  }
  async function fetchList() {
    try {
      const answer = await fetch("scans", { cache: "no-store" });
      if (answer.ok) show(await answer.json());
    } catch { /* the server is away: the page says so */ }
  }
  function toggle(open) {
    $("scans").hidden = !open;
    $("scans-button").setAttribute("aria-expanded", String(open));
    clearInterval(timer); timer = null;
    if (open) { fetchList(); timer = setInterval(fetchList, EVERY_MS); }
  }
  function start() {
    $("scans-button").onclick = () => toggle($("scans").hidden);
    $("scans-close").onclick = () => toggle(false);
  }
  return { start };
})();
