"""How the report looks: one style sheet for light and dark, from a phone to a wide screen."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--paper:#fbfaf7;--card:#fff;--ink:#1d2a33;--soft:#55646e;--line:#e3e1d9;--tls:#0b7268;--quic:#b35900;--bad:#b3261e}
@media(prefers-color-scheme:dark){
:root{--paper:#12181c;--card:#1b2429;--ink:#e4e9ea;--soft:#9fadb4;--line:#2b363d;--tls:#5fcdbd;--quic:#f0b65a;
--bad:#ff9086}}
*{box-sizing:border-box}
body{max-width:76rem;margin:0 auto;padding:1.25rem 1.25rem 3rem;background:var(--paper);color:var(--ink);
font:1rem/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{margin:0;font-size:1.5rem;letter-spacing:-.01em}
h2{margin:2.25rem 0 .5rem;font-size:1.15rem}
h3{margin:1.25rem 0 .25rem;font-size:.95rem}
p{margin:.25rem 0}
.soft{color:var(--soft)}
.bad{color:var(--bad)}
code{font-size:.9em;overflow-wrap:anywhere}
ul{margin:.25rem 0;padding-left:1.2rem}
li{margin:.2rem 0;overflow-wrap:anywhere}
.short li{font-size:1.05rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:0 2rem;margin:.5rem 0}
.facts div{display:flex;gap:.75rem;padding:.2rem 0;border-bottom:1px solid var(--line)}
.facts dt{flex:0 0 8.5rem;color:var(--soft)}
.facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1rem;margin:.75rem 0}
figure{margin:0;padding:.75rem;border:1px solid var(--line);border-radius:.5rem;background:var(--card);min-width:0}
figcaption{margin-bottom:.25rem;font-weight:600;font-size:.95rem}
figcaption span{color:var(--soft);font-weight:400}
svg{display:block;width:100%;max-width:32rem;height:auto;font-size:12px}
text{fill:currentColor}
text.name{font-weight:600}
text.axis{font-size:10.5px;color:var(--soft)}
text.bad{color:var(--bad)}
path.grid,path.track{fill:none;stroke:var(--line)}
.tls{fill:var(--tls);stroke:var(--tls)}
.quic{fill:var(--quic);stroke:var(--quic)}
path.spread{stroke-width:3;fill:none}
.legend{margin-top:1rem}
.kind{white-space:nowrap}
.key{display:inline-block;width:.7rem;height:.7rem;margin:0 .35rem 0 .6rem;background:var(--tls);border-radius:50%}
.key.diamond{background:var(--quic);border-radius:0;transform:rotate(45deg) scale(.85)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.875rem}
th,td{padding:.35rem .5rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:600}
th.n,td.n{padding:.35rem 0 .35rem .5rem;text-align:right}
td small{display:block;color:var(--soft);font-size:.8rem;white-space:nowrap}
tr.reference td:first-child,tr.red td:first-child{font-weight:600}
tr.red td{color:var(--bad)}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--soft)}
summary:focus-visible{outline:2px solid var(--tls);outline-offset:2px}
@media(max-width:56rem){
body{padding:1rem .9rem 2rem}
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody,tr,td{display:block}
tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
th,td,td.n{display:flex;justify-content:space-between;gap:1rem;padding:.15rem 0;border:0;text-align:right}
td::before{content:attr(data-label);color:var(--soft);font-weight:400;text-align:left}
td small{display:inline;margin-left:.4rem}
.facts dt{flex-basis:7rem}}
"""
