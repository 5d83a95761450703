"""A plan as one HTML file that opens offline and can be sent on: for finance, for engineering, and why.

    document     the file: head, style, sections in order
    sections     what each section holds; what was not computed names the command that computes it
    money        cost by workload and by month, from the plan's rows
    time         hours of the horizon as dates
    elements     headings, tables, figures as HTML; every name is escaped here
    companions   explain.json, simulation.json and backtest.json beside the plan

No script and no request: the page's own policy forbids both.
"""
