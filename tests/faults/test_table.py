"""docs/faults.md says what was measured."""

from tests.faults.table import PAGE, ROW, filled, measured


def test_the_page_has_the_numbers_of_the_results() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, measured()) == page, "python -m tests.faults.table"


def test_every_fault_that_was_measured_has_its_row() -> None:
    rows = {row["fault"] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    assert set(measured()) <= rows


def test_a_row_without_numbers_has_dashes_and_another_number_is_replaced() -> None:
    page = "| fault | what | do | lost | twice | wrong | goes on after |\n| --- | --- | --- | --- | --- | --- | --- |\n"
    row = "| a | b | c | 1 | 2 | 3 | 4.0 s |\n"
    assert filled(page + row, {}) == page + "| a | b | c | – | – | – | – |\n"
    verdict = {"lost": 0, "twice": 0, "wrong": 0, "seconds": 0.26}
    assert filled(page + row, {"a": verdict}) == page + "| a | b | c | 0 | 0 | 0 | 0.3 s |\n"
