"""What keeps the status page up to date where there is JavaScript; without it the page loads itself anew.

The page is asked for again each second, and what has an ``id`` is exchanged where it differs: numbers, rows of tables
and their colours are made in one place, the server, whether there is a script or not.
"""

from __future__ import annotations

SCRIPT = """
"use strict";
(() => {
  const history = [], silent = document.getElementById("silent");
  const draw = (value) => {
    history.push(value);
    if (history.length > 60) history.shift();
    const most = Math.max(1, ...history), from = 60 - history.length;
    const points = history.map((v, i) => `${(from + i) * 2},${(30 - 28 * v / most).toFixed(1)}`);
    document.getElementById("curve").setAttribute("points", points.join(" "));
  };
  const refresh = async () => {
    try {
      const reply = await fetch(location.pathname, {cache: "no-store", signal: AbortSignal.timeout(5000)});
      if (!reply.ok) throw new Error(reply.status);
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const now of fresh.querySelectorAll("[id][data-live]")) {
        const old = document.getElementById(now.id);
        if (old && !old.isEqualNode(now)) old.replaceWith(document.adoptNode(now));
      }
      draw(Number(document.getElementById("rate").dataset.value));
      document.title = fresh.title;
      silent.hidden = true;
    } catch {
      silent.hidden = false;
    }
  };
  const beat = async () => {
    if (!document.hidden) await refresh();
    setTimeout(beat, 1000);
  };
  document.getElementById("graph").removeAttribute("hidden");
  setTimeout(beat, 1000);
})();
"""
