"""Claims about what outlives a process that has a lab."""

from pathlib import Path

import pytest

from lab.reaper import running_after_this_process


def test_a_clean_up_that_was_interrupted_is_done_by_another_process(tmp_path: Path) -> None:
    mark = tmp_path / "down"
    with pytest.raises(KeyboardInterrupt), running_after_this_process(["touch", str(mark)]):
        raise KeyboardInterrupt
    assert mark.exists()


def test_a_clean_up_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    mark = tmp_path / "down"
    with running_after_this_process(["touch", str(mark)]):
        pass
    assert not mark.exists()
