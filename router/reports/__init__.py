"""Plans, comparisons and verdicts in words and tables: pure text out.

plan_report, sizing_report, comparison_report, verification_report, …    what is said
to_text, to_markdown, to_csv                                                in which form
"""

from router.reports.comparison import comparison_report, verification_report
from router.reports.difference import difference_report
from router.reports.document import Column, Report, Table
from router.reports.markdown import to_markdown, to_markdown_table
from router.reports.plan import plan_report
from router.reports.reoptimise import history_report, result_report
from router.reports.sizing import report_of, sizing_report
from router.reports.table_csv import TABLES, tables_of, to_csv
from router.reports.text import to_text

__all__ = [
    "TABLES",
    "Column",
    "Report",
    "Table",
    "comparison_report",
    "difference_report",
    "history_report",
    "plan_report",
    "report_of",
    "result_report",
    "sizing_report",
    "tables_of",
    "to_csv",
    "to_markdown",
    "to_markdown_table",
    "to_text",
    "verification_report",
]
