// The drawer with the finished scans of the folder; asked for only while it is open.
window.livebraggScans = (() => {
  "use strict";
  const EVERY_MS = 3000;
  const { $, element, abgr, paint } = livebraggDom;
  let timer = null, shown = "";
  // Nothing where nothing was seen, then without a class, then the classes: as in ``sources/scans.py``.
  function thumbnail(scan, colours) {
    const canvas = element("canvas");
    if (!scan.rows || !scan.cols) return canvas;
    const without = getComputedStyle(document.documentElement).getPropertyValue("--unclassified").trim();
    const palette = [0, ...[without, ...colours].map(abgr)];
    paint(canvas, [scan.rows, scan.cols], Uint8Array.from(atob(scan.pixels), (text) => text.charCodeAt(0)), palette);
    return canvas;
  }
  function item(scan, colours) {
    const link = element("a"), words = element("div"), line = element("p");
    link.href = `?${new URLSearchParams({ file: scan.file, theme: $("page").dataset.theme })}`;
    link.target = "_blank"; link.dataset.file = scan.file; link.title = `${scan.file}\n${scan.reason}`;
    const verdict = element("b", "verdict", scan.status);
    verdict.dataset.tone = scan.tone;
    line.append(verdict, element("span", "", scan.when));
    words.append(element("strong", "", scan.name), line, element("p", "about", scan.about || scan.reason));
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
