"""The style of every page: system fonts, light, dark and paper, colours that the colour-blind tell apart.

Okabe and Ito's palette (2008), darkened on white and lightened on black until text of that colour has a contrast of
4.5 to 1 and more; lines differ in their dashes as well.
"""

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#4d5661;--line:#d3d8de;--a:#0068a3;
--b:#b34a00;--c:#00704f;--d:#9c3f77;--e:#8a6100;--f:#4d5661;--fail:#b3261e;--warn:#8a5200;--info:#00629a;--ok:#00653f}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--ink:#e8eaed;--soft:#b3bbc5;--line:#3a414b;
--a:#62b8ec;--b:#ff9a57;--c:#3fcb9b;--d:#eaa0c8;--e:#f0bd45;--f:#b3bbc5;--fail:#ff8d80;--warn:#f5bd55;--info:#7cc4f2;
--ok:#5fd3a1}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .4rem}h2{font-size:1.25rem;margin:2rem 0 .6rem}
h3{font-size:1rem;margin:.2rem 0 .4rem}p{margin:.3rem 0 .6rem;max-width:60rem}
h1,h2,h3,p,li,dd,summary,figcaption{overflow-wrap:anywhere}
.soft{color:var(--soft)}.fail{color:var(--fail)}.warn{color:var(--warn)}.info{color:var(--info)}.ok{color:var(--ok)}
.head{border-left:.4rem solid;padding-left:1rem}.head>*{color:var(--ink)}.head>.verdict{color:inherit}
.finding{background:var(--card);border:1px solid var(--line);border-left:.3rem solid;border-radius:.3rem;
padding:.6rem .9rem;margin:.7rem 0}.finding>*{color:var(--ink)}.finding>h3>b{letter-spacing:.03em}
.finding.fail>h3>b{color:var(--fail)}.finding.warn>h3>b{color:var(--warn)}.finding.info>h3>b{color:var(--info)}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem .9rem;margin:.3rem 0}dt{color:var(--soft)}
dd{margin:0}code,pre{font:.9em ui-monospace,monospace}.copy{user-select:all;-webkit-user-select:all;cursor:copy;
background:var(--ground);border:1px solid var(--line);border-radius:.2rem;padding:.05rem .35rem;white-space:pre-wrap}
pre{background:var(--card);border:1px solid var(--line);border-radius:.3rem;padding:.6rem;overflow-x:auto;
white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:.5rem 0}summary{cursor:pointer}summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--a)}
.scroll{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding:.3rem 0}td,th{padding:.15rem .7rem .15rem 0;text-align:right;
vertical-align:top;font-weight:400;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{font-weight:600;vertical-align:bottom;
position:sticky;top:0;background:var(--ground)}
th[scope=row],td:first-child,th:first-child,.words td,.words th{text-align:left}
.words td,.words th,th[scope=row]{white-space:normal;overflow-wrap:anywhere;min-width:3.5rem;max-width:30rem}
.words td{min-width:7rem}.words th[scope=row]{min-width:6.5rem}.names th[scope=row]{min-width:10rem}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.3rem;padding:.6rem;min-width:0}
figcaption{font-size:.85rem;color:var(--soft)}figure h3{font-size:.95rem;margin:0 0 .2rem}
svg{display:block;width:100%;height:auto;overflow:visible}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.grid{stroke:var(--line);stroke-width:1;fill:none}.axis{stroke:var(--soft);stroke-width:1;fill:none}
.s0,.s1,.s2,.s3,.s4,.s5{fill:none;stroke-width:1.8;stroke-linejoin:round}
.s0{stroke:var(--a)}.s1{stroke:var(--b);stroke-dasharray:6 3}.s2{stroke:var(--c);stroke-dasharray:2 2}
.s3{stroke:var(--d);stroke-dasharray:8 3 2 3}.s4{stroke:var(--e);stroke-dasharray:1 3}.s5{stroke:var(--f)}
.m0{fill:var(--a)}.m1{fill:var(--b)}.m2{fill:var(--c)}.m3{fill:var(--d)}.m4{fill:var(--e)}.m5{fill:var(--f)}
.shade{opacity:.25}.seam{fill:none;stroke:var(--card);stroke-width:1}
.hollow{fill:none;stroke-width:1.5;stroke-dasharray:none}.spark{width:66px;height:18px;display:inline-block}
.key{display:flex;flex-wrap:wrap;gap:.1rem .9rem;list-style:none;padding:0;margin:.2rem 0;font-size:.85rem}
.key svg{width:26px;height:10px;display:inline-block;margin-right:.3rem;vertical-align:middle}
@media(max-width:34rem){h1{font-size:1.3rem}.finding{padding:.5rem .6rem}}
@media print{:root{color-scheme:light;--ground:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--a:#0068a3;
--b:#b34a00;--c:#00704f;--d:#9c3f77;--e:#8a6100;--f:#333;--fail:#b3261e;--warn:#8a5200;--info:#00629a;--ok:#00653f}
main{max-width:none;padding:0}.scroll{overflow:visible}figure,.finding,tr{break-inside:avoid}thead th{position:static}}
"""
