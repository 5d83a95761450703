"""Plans, comparisons and verdicts in words and tables: pure text out.

plan, sizing, comparison, simulation, …     what is said of each
document                                    sections, tables, columns: what a report is made of
text, markdown, table_csv                   in which form
"""
