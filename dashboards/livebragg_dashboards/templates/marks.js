// The list of marks; their numbers lie on the maps.
window.livebraggMarks = (() => {
  "use strict";
  const { $, put, hide, element, list } = livebraggDom;
  let open = false, onMaps = true;
  function item(row) {
    const line = element("li"), button = element("button");
    button.append(...["n", "where", "note", "at"].map((name) => element("span", name, row[name])));
    button.title = row.note; button.disabled = row.x === null;
    button.onclick = () => livebragg.act("select", { panel: "classes", x: row.x, y: row.y });
    line.append(button);
    return line;
  }
  function place() {
    $("marks").hidden = !open;
    $("marks-button").setAttribute("aria-expanded", String(open));
    $("marks-on").setAttribute("aria-pressed", String(onMaps));
  }
  function show({ on, rows }) {
    if (on !== onMaps) { onMaps = on; place(); }
    hide($("marks-button"), rows.length === 0); put($("marks-button"), `Marks ${rows.length}`);
    if (rows.length === 0 && open) { open = false; place(); }
    list($("marks").querySelector("ul"), [...rows].reverse(), item);
  }
  function start() {
    $("marks-button").onclick = () => { open = !open; place(); };
    $("marks-close").onclick = () => { open = false; place(); };
    $("marks-on").onclick = () => livebragg.act("marks", { on: !onMaps });
  }
  return { start, show };
})();
