// Alerts of the user's rules: a bar while one is true, until it is put aside; it comes back with the next one.
window.livebraggAlerts = (() => {
  "use strict";
  const SHOWN = 3, PAST = 8;
  let aside = "", shown = "";
  const { $, put, element, list } = livebraggDom;
  const keyOf = (alerts) => alerts.map((alert) => alert.key + alert.text).join("|");
  function show(alerts) {
    const active = alerts.filter((alert) => alert.active), key = keyOf(active);
    $("alerts").hidden = !active.length || key === aside;
    if (!active.length) aside = "";
    shown = key;
    $("alerts").dataset.tone = active[0]?.tone ?? "";
    list($("alerts").querySelector("ul"), active.slice(0, SHOWN), (alert) => {
      const item = element("li", "", `${alert.at}  ${alert.text}`);
      item.dataset.tone = alert.tone;
      return item;
    });
    const more = active.slice(SHOWN);
    put($("alerts").querySelector(".more"), more.length ? `+${more.length}` : "");
    $("alerts").querySelector(".more").title = more.map((alert) => `${alert.at}  ${alert.text}`).join("\n");
  }
  // Those that are over stay in the list of notices.
  const past = (alerts) => alerts.filter((alert) => !alert.active).slice(0, PAST).map((alert) => `${alert.at} alert, over: ${alert.text}`);
  function start() { $("alerts").querySelector("button").onclick = () => { aside = shown; $("alerts").hidden = true; }; }
  return { show, past, start };
})();
