// What all parts of the page need to change it. Texts are only ever set as text, and what has not changed is not touched.
window.livebraggDom = (() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const hide = (node, hidden) => { if (node.hidden !== hidden) node.hidden = hidden; };
  function element(tag, name = "", text = "") {
    const node = document.createElement(tag); node.className = name; node.textContent = text; return node;
  }
  function list(node, rows, make) {
    const key = JSON.stringify(rows);
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...rows.map(make));
  }
  // ABGR, as the bytes of a canvas lie in memory.
  const abgr = (hex) => (0xff000000 | (parseInt(hex.slice(5, 7), 16) << 16) | (parseInt(hex.slice(3, 5), 16) << 8) | parseInt(hex.slice(1, 3), 16)) >>> 0;
  // One byte a pixel, through a palette of such numbers.
  function paint(canvas, [rows, cols], bytes, palette) {
    if (canvas.width !== cols || canvas.height !== rows) { canvas.width = cols; canvas.height = rows; }
    const context = canvas.getContext("2d"), image = context.createImageData(cols, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = palette[bytes[i]];
    context.putImageData(image, 0, 0);
  }
  const typing = (event) => /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  const isKey = (event, key) => event.key === key && !typing(event) && !event.ctrlKey && !event.metaKey && !event.altKey;
  return { $, put, hide, element, list, abgr, paint, typing, isKey };
})();
