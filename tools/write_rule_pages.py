"""Write docs/rules/<ID>.md from the entries over the functions in initcore/rules, where their words stand."""

import pathlib

from initcore import rules

folder = pathlib.Path(__file__).parents[1] / "docs" / "rules"
folder.mkdir(parents=True, exist_ok=True)
for rule in rules.CATALOGUE.values():
    (folder / f"{rule.id}.md").write_text(rule.page(), encoding="utf-8")
index = ["# Rules", "", "Each rule, its worst severity and its page; `initcore rule ID` prints one.", "",
         "| rule | severity | |", "|---|---|---|"]
index += [f"| [{r.id}]({r.id}.md) | {r.severity} | {r.title} |" for r in rules.CATALOGUE.values()]
(folder / "index.md").write_text("\n".join(index) + "\n", encoding="utf-8")
