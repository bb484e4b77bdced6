"""What a mutant is."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES: dict[str, tuple[str, ...]] = {
    "browse_show": ("tests/unit/test_browse_charts.py",),
    "catalogue": ("tests/unit/test_catalogue.py",),
    "judging": ("tests/unit/test_preconditions.py",),
    "mal_reader": ("tests/unit/test_mal_xml_reader.py",),
    "mal_repair": ("tests/unit/test_mal_xml_repair.py",),
    "mal_writer": ("tests/unit/test_mal_xml_writer.py",),
    "medium": ("tests/unit/test_medium.py",),
    "plain": ("tests/unit/test_plain_text.py",),
    "plan": ("tests/unit/test_restore_plan.py",),
    "revert": ("tests/unit/test_revert_plan.py",),
    "settling": ("tests/unit/test_reconcile.py",),
    "standing": ("tests/unit/test_in_force.py",),
    "undoing": ("tests/unit/test_undo.py",),
    "wording": ("tests/unit/test_text.py",),
    "diff": ("tests/unit/test_diff.py", "tests/property/test_diff_laws.py"),
    "snapshot": ("tests/unit/test_snapshot.py", "tests/property/test_snapshot_laws.py"),
    "mirror": ("tests/unit/test_mirror.py", "tests/property/test_mirror_laws.py"),
    "journal": (
        "tests/unit/test_journal.py",
        "tests/property/test_journal_laws.py",
        "tests/system/test_journal_kill.py",
    ),
    "snapshot_file": ("tests/unit/test_snapshot_file.py",),
    "suspicion": ("tests/unit/test_guards.py", "tests/integration/test_backup_safety.py"),
    "intent": ("tests/property/test_request.py",),
    "cli_columns": ("tests/property/test_cli_columns.py",),
    "mirror_texts": ("tests/property/test_mirror_encodings.py",),
    "plan_file": ("tests/property/test_plan_file.py",),
    "plan_laws": ("tests/property/test_restore_plan_laws.py",),
    "prune_laws": ("tests/property/test_pruning_laws.py",),
    "restore_machine": ("tests/property/test_restore_machine.py",),
    "anilist": ("tests/integration/test_anilist.py",),
    "api": ("tests/integration/test_client.py",),
    "auth": ("tests/integration/test_credentials.py",),
    "browse_alarms": ("tests/integration/test_browse_alarms.py",),
    "browse_details": ("tests/integration/test_browse_details.py",),
    "browse_guard": ("tests/integration/test_browse_guard.py",),
    "browse_hostile": ("tests/integration/test_browse_hostile.py",),
    "browse_mirrors": ("tests/integration/test_browse_mirrors.py",),
    "browse_pages": ("tests/integration/test_browse_pages.py",),
    "browse_plans": ("tests/integration/test_browse_query_plans.py",),
    "callback": ("tests/integration/test_redirect_listener.py",),
    "cli_apply": ("tests/integration/test_cli_apply.py",),
    "cli_backup": ("tests/integration/test_cli_backup.py",),
    "cli_diff": ("tests/integration/test_cli_diff.py",),
    "cli_doctor": ("tests/integration/test_cli_doctor.py",),
    "cli_exchange": ("tests/integration/test_cli_formats.py",),
    "cli_export": ("tests/integration/test_cli_export.py",),
    "cli_fetch": ("tests/integration/test_cli_fetch.py",),
    "cli_guards": ("tests/integration/test_cli_guards.py",),
    "cli_history": ("tests/integration/test_cli_history.py",),
    "cli_hook": ("tests/integration/test_cli_hook.py",),
    "cli_migrate": ("tests/integration/test_cli_migrate.py",),
    "cli_mirror": ("tests/integration/test_cli_mirror.py",),
    "cli_options": ("tests/integration/test_cli_options.py",),
    "cli_prune": ("tests/integration/test_cli_prune.py",),
    "cli_restore": ("tests/integration/test_cli_restore.py",),
    "cli_revert": ("tests/integration/test_cli_revert.py",),
    "cli_runs": ("tests/integration/test_cli_runs.py",),
    "cli_schedule": ("tests/integration/test_cli_schedule.py",),
    "cli_show": ("tests/integration/test_cli_show.py",),
    "cli_stats": ("tests/integration/test_cli_stats.py",),
    "cli_undo": ("tests/integration/test_cli_undo.py",),
    "client_answers": ("tests/integration/test_client_answers.py",),
    "client_endpoints": ("tests/integration/test_client_endpoints.py",),
    "client_pages": ("tests/integration/test_pagination.py",),
    "exit_codes": ("tests/integration/test_exit_codes.py",),
    "known": ("tests/integration/test_known_titles.py",),
    "limits": ("tests/integration/test_limits.py",),
    "mirror_verify": ("tests/integration/test_mirror_verify.py",),
    "pace": ("tests/integration/test_throttle.py",),
    "private_settings": ("tests/integration/test_private_settings.py",),
    "promises": ("tests/integration/test_promises.py",),
    "reading": ("tests/integration/test_list_reader.py",),
    "refs": ("tests/integration/test_list_references.py",),
    "rehearsal": ("tests/integration/test_rehearsal.py",),
    "restore_http": ("tests/integration/test_restore_http.py",),
    "restore_safety": ("tests/integration/test_restore_safety.py",),
    "restore_suspended": ("tests/integration/test_restore_suspended.py",),
    "safety": ("tests/integration/test_backup_safety.py",),
    "sparse_files": ("tests/integration/test_sparse_files.py",),
    "tables": ("tests/integration/test_sqlite_export.py",),
    "transfer": ("tests/integration/test_imports.py",),
    "browse_browser": ("tests/system/test_browse_browser.py",),
    "cli_browse": ("tests/system/test_cli_browse.py",),
    "cli_completion": ("tests/system/test_cli_completion.py",),
    "cli_login": ("tests/system/test_cli_login.py",),
    "cli_output": ("tests/system/test_cli_output.py",),
    "cli_progress": ("tests/system/test_cli_progress.py",),
    "cli_sandbox": ("tests/system/test_cli_sandbox.py",),
    "crash": ("tests/system/test_crash.py",),
    "interrupt": ("tests/system/test_interrupt.py",),
    "kill": ("tests/system/test_kill.py",),
    "mirror_file": ("tests/system/test_mirror_file.py",),
    "packaging": ("tests/system/test_packaging.py",),
    "refresh_interrupt": ("tests/system/test_refresh_interrupt.py",),
    "restore_interrupt": ("tests/system/test_restore_interrupt.py",),
    "restore_kill": ("tests/system/test_restore_kill.py",),
    "secrets": ("tests/system/test_secrets.py",),
    "soak": ("tests/system/test_soak.py",),
    "special_files": ("tests/system/test_special_files.py",),
    "fault_matrix": ("tests/system/test_fault_matrix.py",),
    "sandbox_account": ("tests/sandbox/test_sandbox_account.py",),
    "sandbox_catalogue": ("tests/sandbox/test_sandbox_catalogue.py",),
    "sandbox_clients": ("tests/sandbox/test_sandbox_clients.py",),
    "sandbox_endpoints": ("tests/sandbox/test_sandbox_endpoints.py",),
    "sandbox_faults": ("tests/sandbox/test_sandbox_faults.py",),
    "sandbox_forum": ("tests/sandbox/test_sandbox_forum.py",),
    "sandbox_images": ("tests/sandbox/test_sandbox_images.py",),
    "sandbox_lists": ("tests/sandbox/test_sandbox_lists.py",),
    "sandbox_oauth": ("tests/sandbox/test_sandbox_oauth.py",),
    "sandbox_running": ("tests/sandbox/test_sandbox_running.py",),
    "sandbox_settings": ("tests/sandbox/test_sandbox_settings.py",),
    "sandbox_stall": ("tests/sandbox/test_sandbox_stall.py",),
    "sandbox_titles": ("tests/sandbox/test_sandbox_titles.py",),
    "sandbox_world": ("tests/sandbox/test_sandbox_world.py",),
    "sandbox_write_faults": ("tests/sandbox/test_sandbox_write_faults.py",),
    "sandbox_writes": ("tests/sandbox/test_sandbox_writes.py",),
    "openapi_http": ("tests/sandbox/test_openapi_http.py",),
    "audit": ("tests/meta/test_audit.py",),
    "cli_errors": ("tests/meta/test_cli_errors.py",),
    "contract": ("tests/meta/test_contract.py",),
    "docs": ("tests/meta/test_docs.py",),
    "fuzz": ("tests/meta/test_fuzz_readers.py",),
    "layers": ("tests/meta/test_layers.py",),
    "library_docs": ("tests/meta/test_library_docs.py",),
    "openapi": ("tests/meta/test_openapi.py",),
    "promise_pages": ("tests/meta/test_promise_pages.py",),
    "upgrade": ("tests/meta/test_upgrade.py",),
    "upgrade_files": ("tests/meta/test_upgrade_files.py",),
}
"""The files of each name."""


@dataclass(frozen=True)
class Edit:
    """In `module`, a path below malsync/, `text`, which stands there once, becomes `instead`."""

    module: str
    text: str
    instead: str


@dataclass(frozen=True)
class Mutant:
    """A defect: what is wrong in words, the edits that make it so, and the tests that must fail then (files, or node ids)."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def mutant(name: str, module: str, text: str, instead: str, *tests: str) -> Mutant:
    """A defect of one edit. `tests` are named without `tests/test_` and `.py`."""
    return Mutant(name, (Edit(module, text, instead),), tuple(path for test in tests for path in files_of(test)))


def mutants(name: str, edits: tuple[Edit, ...], *tests: str) -> Mutant:
    """A defect that takes several edits."""
    return Mutant(name, edits, tuple(path for test in tests for path in files_of(test)))


def files_of(test: str) -> list[str]:
    """Return `restore_http` or `restore_http::test_x` as pytest names it; a file that was split is several."""
    name, mark, rest = test.partition("::")
    function = f"{rest} =" if rest.startswith("Test") else f"def {rest}("
    return [f"{file}{mark}{rest}" for file in FILES[name] if not rest or function in (ROOT / file).read_text("utf-8")]
