"""Result files: whole or not at all, and nothing but text changes where devices, pipes and links stand.

Every node is made in a scratch folder of the test.
"""

import os
import stat
import threading

import pytest

from initcore.cli._writing import check_writable, write_text
from initcore.errors import FileFormatError


def names(folder):
    return sorted(os.listdir(folder))


def test_a_new_file_has_the_umask_of_the_process(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "new.txt", "héllo\n")
    finally:
        os.umask(old)
    assert (tmp_path / "new.txt").read_text(encoding="utf-8") == "héllo\n" and names(tmp_path) == ["new.txt"]
    assert stat.S_IMODE(os.stat(tmp_path / "new.txt").st_mode) == 0o640


def test_mode_and_owner_stay(tmp_path):
    file = tmp_path / "old.txt"
    file.write_text("x" * 100)
    file.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(file, 12345, 23456)
    before = os.stat(file)
    write_text(file, "new")
    after = os.stat(file)
    assert file.read_text() == "new" and names(tmp_path) == ["old.txt"]
    assert (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)


def test_links_are_followed_and_stay_links(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.txt").write_text("old")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "there" / "real.txt")
    write_text(tmp_path / "one", "new")
    assert (tmp_path / "there" / "real.txt").read_text() == "new"
    assert (tmp_path / "one").is_symlink() and (tmp_path / "two").is_symlink()
    (tmp_path / "dangling").symlink_to("made.txt")
    write_text(tmp_path / "dangling", "made")
    assert (tmp_path / "dangling").is_symlink() and (tmp_path / "made.txt").read_text() == "made"
    (tmp_path / "round").symlink_to("round")
    for call in (write_text, lambda path, _: check_writable(path)):
        with pytest.raises(FileFormatError, match="cannot be written"):
            call(tmp_path / "round", "x")


def test_hard_links_stay_one_file(tmp_path):
    (tmp_path / "a").write_text("something longer than what follows")
    os.link(tmp_path / "a", tmp_path / "b")
    write_text(tmp_path / "a", "short")
    assert (tmp_path / "b").read_text() == "short" and os.stat(tmp_path / "a").st_nlink == 2
    assert names(tmp_path) == ["a", "b"]


def test_a_hard_link_has_its_old_text_back_when_writing_fails(tmp_path, monkeypatch):
    from initcore.cli import _writing
    (tmp_path / "a").write_text("the old text")
    os.link(tmp_path / "a", tmp_path / "b")
    calls, real = [], _writing._all

    def fail_once(stream, data):
        calls.append(1)
        if len(calls) == 1:
            real(stream, data[:4])
            raise OSError(28, "No space left on device")
        real(stream, data)
    monkeypatch.setattr(_writing, "_all", fail_once)
    with pytest.raises(FileFormatError, match="No space left"):
        write_text(tmp_path / "a", "new text, longer than the old")
    assert (tmp_path / "b").read_text() == "the old text"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through the pipe")
    reader.join(20)
    assert heard == ["through the pipe"] and stat.S_ISFIFO(os.stat(pipe).st_mode) and names(tmp_path) == ["pipe"]


def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    """A null and a full device of our own, where the system lets us make them; a link to the system's otherwise."""
    for name, minor in (("null", 3), ("full", 7)):
        try:
            os.mknod(tmp_path / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
            os.close(os.open(tmp_path / name, os.O_WRONLY))
        except OSError:
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).symlink_to(f"/dev/{name}")
    write_text(tmp_path / "null", "into nothing")
    with pytest.raises(FileFormatError, match="No space left"):
        write_text(tmp_path / "full", "nowhere")
    assert names(tmp_path) == ["full", "null"]
    assert all(stat.S_ISCHR(os.stat(tmp_path / name).st_mode) for name in ("null", "full"))


def test_the_temporary_file_goes_whatever_happens(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "report.txt", "text")
    assert names(tmp_path) == []


def test_the_longest_name_and_no_name(tmp_path):
    write_text(tmp_path / ("n" * 255), "text")
    assert names(tmp_path) == ["n" * 255]
    for wrong in ("n" * 300, "null\0character"):
        for call in (write_text, lambda path, _: check_writable(path)):
            with pytest.raises(FileFormatError):
                call(tmp_path / wrong, "text")


def test_what_is_read_is_not_written(tmp_path):
    (tmp_path / "weights.npz").write_text("weights")
    (tmp_path / "link").symlink_to("weights.npz")
    check_writable(tmp_path / "report.txt", [tmp_path / "weights.npz"])
    with pytest.raises(FileFormatError, match="another name"):
        check_writable(tmp_path / "link", [tmp_path / "weights.npz"])


def test_no_part_of_a_model_is_written_over(tmp_path):
    """The shards of a folder or of an index, and what an .onnx file keeps beside itself, are inputs too."""
    model = tmp_path / "model"
    (model / "parts").mkdir(parents=True)
    for name in ("model-1.safetensors", "model.safetensors.index.json", "config.json", "net.onnx", "weights.data",
                 "report.json", "parts/more.bin"):
        (model / name).write_text("old")
    (tmp_path / "link").symlink_to(model / "weights.data")
    for given in (model, model / "model.safetensors.index.json", model / "net.onnx"):
        for name in ("model-1.safetensors", "config.json", "weights.data", "../link", "parts/more.bin"):
            with pytest.raises(FileFormatError, match="is read by this command"):
                check_writable(model / name, [given])
        check_writable(model / "report.json", [given])
        check_writable(model / "new.bin", [given])
    check_writable(model / "weights.data", [model / "model-1.safetensors"])
