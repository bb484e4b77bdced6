"""Opening the browser at an address that holds a secret: through a private page, never through a process's arguments."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path

from malsync import files

FOLDER_NAME = "open"


@contextmanager
def private_page(home: Path, name: str, url: str) -> Iterator[str]:
    """The address of a page of mode 0600, in a folder of mode 0700 in `home`, that leads to `url`; removed afterwards.

    A browser's arguments can be read by every user of a machine, so it is given the page's address. Raises UsageError when
    the page cannot be written.
    """
    folder = home / FOLDER_NAME
    files.make_folder(folder)
    page = folder / f"{name}.html"
    link = escape(url)
    content = (
        f'<!DOCTYPE html>\n<meta charset="utf-8">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="refresh" content="0;url={link}">\n<title>malsync</title>\n<a href="{link}">malsync</a>\n'
    )
    try:
        with suppress(OSError):
            folder.chmod(0o700)
        page.unlink(missing_ok=True)
        files.write(page, [content.encode()])
        yield page.absolute().as_uri()
    finally:
        with suppress(OSError):
            page.unlink(missing_ok=True)
            folder.rmdir()
