// Alerts of the user's rules: a bar while one is true, until it is put aside; it comes back with the next one.
window.livebraggAlerts = (() => {
  "use strict";
  let aside = "";
  const $ = (id) => document.getElementById(id);
  const keyOf = (alerts) => alerts.map((alert) => alert.key + alert.text).join("|");
  function show(alerts) {
    const active = alerts.filter((alert) => alert.active), key = keyOf(active);
    $("alerts").hidden = !active.length || key === aside;
    if (!active.length) aside = "";
    const node = $("alerts").querySelector("ul");
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...active.map((alert) => {
      const item = document.createElement("li");
      item.textContent = `${alert.at}  ${alert.text}`;
      return item;
    }));
  }
  // Those that are over stay in the list of notices.
  const past = (alerts) => alerts.filter((alert) => !alert.active).map((alert) => `${alert.at} alert, over: ${alert.text}`);
  function start() { $("alerts").querySelector("button").onclick = () => { aside = $("alerts").querySelector("ul").dataset.key; $("alerts").hidden = true; }; }
  return { show, past, start };
})();
