"""What a writing command prints: the plan, its progress, and the outcome."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from malsync.cli.render import CUT, FOLD, changes_document, duration, left_lines, plan_summary, plan_table
from malsync.errors import Exit
from malsync.model.medium import MEDIA
from malsync.model.timestamps import local_time
from malsync.planning.journal_entry import OUTCOMES
from malsync.planning.request import left_document
from malsync.text import pluralize, shorten, visible

if TYPE_CHECKING:
    from malsync.cli.app import App
    from malsync.cli.output import Output
    from malsync.mirror import JournalEntry
    from malsync.operations.restore import PreparedRun
    from malsync.operations.run import Result
    from malsync.planning.known_titles import Titles
    from malsync.planning.restore_plan import Left, Plan, PlannedWrite, Unwritten

_LONGEST_WHY = 300


def introduce(app: "App", prepared: "PreparedRun") -> None:
    """Print what the plan is about: the run that it resumes, and what the chosen lists do not know."""
    if (run := prepared.resumes) is not None:
        open_entries = sum(entry.is_open for entry in prepared.entries)
        app.output.note(
            f"Run {run.number} ({run.kind}, begun {local_time(run.started_at)}): "
            f"{pluralize(open_entries, 'write has', 'writes have')} no outcome yet."
        )
    counts = {
        described["reference"]: described["counts"] for described in prepared.lists.values() if "counts" in described
    }
    for reference, fields in prepared.unwritten.items():
        tell_unwritten(app.output, reference, fields, counts[reference])


def show(app: "App", prepared: "PreparedRun") -> None:
    """Print the plan as a person judges it: numbers and duration first, then a row for each title, deletions apart."""
    output, plan = app.output, prepared.plan
    if plan.calls:
        writes = len(plan.calls)
        seconds = prepared.account.client.transport.throttle.expected_seconds(writes)
        output.say(
            f"Plan for the lists of {visible(prepared.account.user.name)}: {plan_summary(plan)} "
            f"({pluralize(writes, 'write')}, {duration(seconds)}).",
            colour="cyan",
        )
        output.say('MAL sets "last updated" itself; entries are written oldest first so their order is preserved.')
    removed = [call for call in plan.calls if call.op == "remove"]
    is_cut = _table(output, [call for call in plan.calls if call.op != "remove"])
    if removed:
        output.say("Will be deleted:", colour="red")
        is_cut |= _table(output, removed)
    if is_cut:
        output.say("Long values are shortened. In full: -v")
    _list_left(output, "Cannot be restored as it is:", plan.left)
    for name, titles in prepared.titles.items():
        tell_titles(output, name, titles)
    unknown = sum(call.key not in prepared.known.names for call in plan.calls) if prepared.titles else 0
    if unknown:
        whose = pluralize(unknown, "title in the plan is", "titles in the plan are")
        output.note(f"{whose} from {' and '.join(prepared.titles)}; MAL's own are not known here.")


def tell_titles(output: "Output", name: str, titles: "Titles") -> None:
    """The titles in the list `name` that are not MAL's for their ids: both titles of each."""
    different = titles.different
    if not different:
        return
    fold = len(different) if output.verbose else FOLD
    output.warn(
        f"{name} has {pluralize(len(different), 'title that is', 'titles that are')} not MAL's for the id "
        f"({titles.compared:,} could be compared):"
    )
    for one in different[:fold]:
        theirs, mals = shorten(visible(one.title)), shorten(visible(one.mals))
        output.warn(f'  {one.medium.name} {one.id}: "{theirs}" there, "{mals}" on MAL', colour=None)
    if len(different) > fold:
        output.warn(f"  ... and {len(different) - fold:,} more. All of them: -v or --json")


def tell_unwritten(output: "Output", name: str, found: "Unwritten", counts: Mapping[str, int | None]) -> None:
    """What is never written to MAL of the list `name`, which has `counts` entries: unknown fields, and members of others."""
    gaps = {medium: "the whole list" for medium, fields in found.items() if fields is None}
    gaps |= unknown_fields(found, counts)
    others = unknown_fields(found, counts, of_mal=False)
    for heading, lines in (
        ("Not in {}, so left as it is: {}", gaps),
        ("Kept from {}, but never written to MAL: {}", others),
    ):
        if lines:
            output.note(
                heading.format(visible(name), "; ".join(f"{medium}: {words}" for medium, words in lines.items()))
            )


def unknown_fields(found: "Unwritten", counts: Mapping[str, int | None], *, of_mal: bool = True) -> dict[str, str]:
    """By medium, the fields of `found` that MAL has, or the members that it has not, each with the number of entries."""
    lines = {}
    for medium, fields in found.items():
        words = [
            visible(one) if number == counts[medium] else f"{visible(one)} ({pluralize(number, 'entry', 'entries')})"
            for one, number in (fields or {}).items()
            if (one in MEDIA[medium].by_name) is of_mal
        ]
        if words:
            lines[medium] = ", ".join(words)
    return lines


def title_documents(found: "Mapping[str, Titles]") -> list[dict[str, Any]]:
    """The titles that are not MAL's for their ids, as JSON documents."""
    return [
        {"list": name, "medium": one.medium.name, "id": one.id, "title": one.title, "mal_title": one.mals}
        for name, titles in found.items()
        for one in titles.different
    ]


def _table(output: "Output", calls: "Sequence[PlannedWrite]") -> bool:
    """Show these calls. Whether a value in it is shortened."""
    if not calls:
        return False
    fold = len(calls) if output.verbose else FOLD
    rows, widths = plan_table(calls[:fold], output.columns, whole=output.verbose)
    output.table(["", "title", "field", "from", "to"], rows, long="title", most=widths)
    if len(calls) > fold:
        output.say(f"... and {len(calls) - fold:,} more. All of them: -v, --json or --plan FILE")
    output.say()
    return (
        any(line.endswith(CUT) for row in rows for cell in row[-2:] for line in cell.split("\n")) and not output.verbose
    )


def _list_left(output: "Output", heading: str, left: "Sequence[Left]") -> None:
    if not left:
        return
    fold = len(left) if output.verbose else FOLD
    output.warn(heading)
    for one in left[:fold]:
        for line in left_lines(replace(one, title=shorten(one.title), why=shorten(one.why, _LONGEST_WHY))):
            output.warn(line, colour=None)
    if len(left) > fold:
        output.warn(f"... and {len(left) - fold:,} more. All of them: -v or --json")


@contextmanager
def progress(app: "App", total: int) -> "Iterator[Callable[[JournalEntry, int], None]]":
    """Show progress through the writes, and a line for each that failed or was skipped."""
    with app.output.counting(total, "writing") as moved:

        def on_write(line: "JournalEntry", number: int) -> None:
            moved(number)
            if line.state in ("failed", "skipped", "not_restorable"):
                call, what = line.call, line.state.replace("_", " ")
                title, why = shorten(visible(call.title)), shorten(visible(line.why), _LONGEST_WHY)
                app.output.warn(f"{what}: {call.medium.name} {call.id} {title}: {why}")

        yield on_write


def report(
    app: "App",
    prepared: "PreparedRun",
    result: "Result | None",
    *,
    is_carried_out: bool = False,
    rehearsal: Mapping[str, int] | None = None,
    file: str | None = None,
) -> int:
    """Print the document and the last lines. Without `result` nothing was carried out. Returns the exit code."""
    if result is not None and result.run is None:
        result = None  # there was nothing to write
    plan = prepared.plan if result is None else result.plan
    left = plan.left if result is None else result.left
    titles = title_documents(prepared.titles)
    document: dict[str, Any] = {
        "run": None if result is None or rehearsal is not None else result.run,
        "plan": plan.counts,
        "requests": _by_method(app.clients.requests),
        "outcomes": _outcomes(plan, result),
        "equal": not left and (result is not None or not plan.calls),
        "left": [left_document(one) for one in left],
        "changes": changes_document(plan.calls),
    }
    if result is not None and rehearsal is None:
        document |= {"before": result.before, "after": result.after}
    if rehearsal is not None:
        document["rehearsal"] = _by_method(rehearsal)
    if file is not None:
        document["file"] = file
    if titles:
        document["titles"] = titles
    if unwritten := {name: fields for name, fields in prepared.unwritten.items() if fields}:
        document["not_compared"] = unwritten
    app.output.document(document)
    _say_result(app, plan, result, document)
    return Exit.LEFT if left and (is_carried_out or result is not None) else Exit.OK


def _outcomes(plan: "Plan", result: "Result | None") -> dict[str, int]:
    outcomes = dict.fromkeys(OUTCOMES, 0) if result is None else dict(result.outcomes)
    outcomes["already"] += plan.already
    return {str(name): number for name, number in outcomes.items()}


def _by_method(requests: Mapping[str, int]) -> dict[str, int]:
    return {method: requests.get(method, 0) for method in ("GET", "PATCH", "DELETE")}


def _say_result(app: "App", plan: "Plan", result: "Result | None", document: dict[str, Any]) -> None:
    output = app.output
    compared = " in everything that was compared" if "not_compared" in document else ""
    if result is None:
        if plan.calls:
            output.say("Nothing was sent.")
        elif not plan.left:
            output.say(f"Nothing to do: your lists already match{compared}.", colour="green")
        return
    _list_left(output, f"Not restored ({len(result.left)}):", result.left)
    doubts = (
        f"Beside the last good list, this one (snapshot {result.after}) looks suspicious: {reason}. If it is as you want it, "
        "say so: malsync backup --accept"
        for reason in result.suspicion
    )
    for remark in (*result.remarks, *doubts):
        output.warn(shorten(visible(remark), _LONGEST_WHY))
    outcomes = {name.replace("_", " "): number for name, number in document["outcomes"].items() if number}
    counts = ", ".join(f"{number} {name}" for name, number in outcomes.items()) or "nothing to write"
    now = f"Verified: your lists now match{compared}." if result.equal else "Checked: some entries still differ."
    if document["run"] is None:
        calls = ", ".join(f"{number} {method}" for method, number in document["rehearsal"].items())
        output.say(f"Rehearsed on a sandbox ({calls}): {counts}. {now}", colour="green")
        output.say("Nothing was sent to MAL.")
        return
    output.say(f"Run {result.run}: {counts}. {now}", colour="green" if result.equal else "yellow")
    output.say(f"  before: snapshot {result.before}, after: snapshot {result.after}")
    if result.outcomes["done"]:
        output.say(f"  To undo: {app.command(f'undo {result.run}')}")
