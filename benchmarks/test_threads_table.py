"""The comparison of threads runs, each library in a process of its own, and its model of traffic adds up."""

import doctest
import json

from . import threads


def test_the_table_and_its_json(tmp_path, capsys):
    path = tmp_path / "threads.json"
    assert threads.main(["--threads", "1,2", "--size", "96", "--rounds", "1", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    rates = json.loads(path.read_text())["rates"]
    for what in threads.WORK:
        assert rates["initcore"]["2"][what] > 0 and printed.count(f"{what} ") >= 2
    assert set(rates["numpy"]["1"]) == {"product", "forward+backward"}


def test_the_model_of_traffic():
    assert doctest.testmod(threads).failed == 0
    whole = threads.traffic(300, 400, 500, 1, 1, 8) * 2 * 300 * 400 * 500
    assert whole == 8 * (400 * 500 + 300 * 400)
    assert threads.traffic(64, 1, 64, *threads.squarest(64, 64, 16)) < threads.traffic(64, 1, 64, 16, 1)
