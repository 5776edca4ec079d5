"""How the status page looks: one style sheet for light and dark, from a phone to a wide screen."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--paper:#fbfaf7;--card:#fff;--ink:#1d2a33;--soft:#55646e;--line:#e3e1d9;--accent:#0b7268;--warn:#8a5200;--bad:#b3261e}
@media(prefers-color-scheme:dark){
:root{--paper:#12181c;--card:#1b2429;--ink:#e4e9ea;--soft:#9fadb4;--line:#2b363d;--accent:#5fcdbd;--warn:#f0b65a;
--bad:#ff9086}}
*{box-sizing:border-box}
body{max-width:64rem;margin:0 auto;padding:1.25rem 1.25rem 3rem;background:var(--paper);color:var(--ink);
font:1rem/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline}
h1{margin:0;font-size:1.4rem;letter-spacing:-.01em}
h2{margin:2rem 0 .25rem;font-size:1rem}
p{margin:.25rem 0;color:var(--soft)}
a{color:var(--accent)}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
.stage{font-weight:600}
.stage::before{content:"";display:inline-block;width:.65rem;height:.65rem;margin-right:.4rem;border-radius:50%;
background:currentColor}
.good{color:var(--accent)}.warn{color:var(--warn)}.bad{color:var(--bad)}
#silent{margin:.75rem 0 0;padding:.5rem .9rem;border-left:3px solid var(--bad);background:var(--card);color:var(--ink)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.75rem;margin:1rem 0 0;padding:0}
.tiles>div{padding:.75rem .9rem;border:1px solid var(--line);border-radius:.5rem;background:var(--card);min-width:0}
.tiles dt{color:var(--soft);font-size:.875rem}
.tiles dd{margin:0;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.tiles dd.more{color:var(--soft);font-size:.875rem;font-weight:400;white-space:normal}
svg[hidden]{display:none}
svg:not([hidden]){display:block;width:100%;height:2rem;margin-top:.35rem}
polyline{fill:none;stroke:var(--accent);stroke-width:1.5;vector-effect:non-scaling-stroke}
.wide{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:600;font-size:.875rem;white-space:nowrap}
.n{padding-right:0;padding-left:.75rem;text-align:right;white-space:nowrap}
td:first-child{overflow-wrap:anywhere}
footer{margin-top:2rem;color:var(--soft);font-size:.875rem}
@media(max-width:44rem){
body{padding:1rem .75rem 2rem}
.tiles{grid-template-columns:repeat(2,1fr);gap:.5rem}
.tiles dd{font-size:1.25rem}
table{font-size:.9rem}
th,td{padding-right:.4rem}
.n{padding-left:.4rem}
.w{display:none}}
"""
