// Alerts of the user's rules: a bar while one is true, until it is put aside; it comes back with the next one.
window.livebraggAlerts = (() => {
  "use strict";
  let aside = "", shown = "";
  const { $, element, list } = livebraggDom;
  const keyOf = (alerts) => alerts.map((alert) => alert.key + alert.text).join("|");
  function show(alerts) {
    const active = alerts.filter((alert) => alert.active), key = keyOf(active);
    $("alerts").hidden = !active.length || key === aside;
    if (!active.length) aside = "";
    shown = key;
    list($("alerts").querySelector("ul"), active.map((alert) => `${alert.at}  ${alert.text}`), (text) => element("li", "", text));
  }
  // Those that are over stay in the list of notices.
  const past = (alerts) => alerts.filter((alert) => !alert.active).map((alert) => `${alert.at} alert, over: ${alert.text}`);
  function start() { $("alerts").querySelector("button").onclick = () => { aside = shown; $("alerts").hidden = true; }; }
  return { show, past, start };
})();
