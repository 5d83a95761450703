"""The running plan priced anew and replaced where that pays: one run, and the scheduled job around it."""
