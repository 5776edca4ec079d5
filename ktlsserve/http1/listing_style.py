"""How a listing looks: one small style sheet for light and dark, wide and narrow.

The pictures before the names are cut out of a box by ``clip-path``, so that the page's Content-Security-Policy needs
to allow no image. Names are shown with all their spaces: two names that differ only there are two files.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--paper:#fbfaf7;--ink:#1d2a33;--soft:#55646e;--line:#e3e1d9;--over:#f1efe8;--accent:#0b7268}
@media(prefers-color-scheme:dark){
:root{--paper:#12181c;--ink:#e4e9ea;--soft:#9fadb4;--line:#2b363d;--over:#1b2429;--accent:#5fcdbd}}
*{box-sizing:border-box}
body{max-width:60rem;margin:0 auto;padding:1.5rem 1.25rem 4rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
nav,h1,td:first-child{overflow-wrap:anywhere}
bdi{white-space:pre-wrap}
nav,p{color:var(--soft)}
h1{margin:1rem 0 .25rem;font-size:1.5rem;line-height:1.25;letter-spacing:-.01em}
p{margin:0 0 1.25rem}
.n{margin-top:.75rem;padding:.6rem .9rem;border-left:3px solid var(--accent);background:var(--over);color:var(--ink)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{padding:.4rem .75rem;border-bottom:2px solid var(--line);font-weight:600;text-align:left;white-space:nowrap}
th a{color:var(--soft)}
th[aria-sort] a{color:var(--ink)}
th[aria-sort=ascending] a::after{content:" \\2191"}
th[aria-sort=descending] a::after{content:" \\2193"}
td{padding:.4rem .75rem;border-bottom:1px solid var(--line);vertical-align:top}
tbody tr:hover{background:var(--over)}
th:nth-child(2),td:nth-child(2){text-align:right}
td:nth-child(n+2){color:var(--soft);white-space:nowrap}
td:first-child{position:relative;width:100%;padding-left:2.25rem}
td a::before{content:"";position:absolute;left:.75rem;top:.75rem;width:.8rem;height:1rem;background:var(--soft);
clip-path:polygon(0 0,60% 0,100% 30%,100% 100%,0 100%);opacity:.55}
.d a::before{width:1.05rem;height:.85rem;top:.8rem;background:var(--accent);opacity:.9;
clip-path:polygon(0 0,38% 0,50% 16%,100% 16%,100% 100%,0 100%)}
.u a::before{width:.9rem;clip-path:polygon(50% 0,100% 55%,65% 55%,65% 100%,35% 100%,35% 55%,0 55%)}
@media(max-width:40rem){
body{padding:1rem .75rem 3rem}
th,td{padding-left:.3rem;padding-right:.3rem}
td:first-child{padding-left:1.9rem}
td a::before{left:.4rem}
td:nth-child(n+2){padding-top:.6rem;font-size:.8rem}
th span,time span{display:none}}
"""
