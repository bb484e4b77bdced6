"""Many backups and restores in one process, beside an account that edits itself and an API that misbehaves: nothing adds up."""

from pathlib import Path

import pytest

from tests.support.soak import soaked

pytestmark = [pytest.mark.promise("other-9"), pytest.mark.nightly]


@pytest.mark.promise("storing-9")
def test_thirty_backups_and_six_restores_leave_no_row_no_file_and_no_list_behind(home: Path) -> None:
    figures = soaked(home, backups=30, restores=6)

    assert figures.backups == 30
    assert figures.restores == 6
    assert figures.edits > 20
    assert figures.codes["backup 0"] > 20
    assert figures.codes["restore 0"] > 2
    assert figures.is_whole
    assert figures.is_equal
    assert figures.snapshots >= 30 + 2 * 6
    assert figures.rows == figures.rows_that_changed
    assert figures.handles[-1] <= max(figures.handles[:3])
    assert figures.struck > 0
