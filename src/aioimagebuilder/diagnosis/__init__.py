"""The diagnosis of an execution: evidence is collected, causes are ranked, and a report is made of them.

Data flows one way:

    collector (I/O) → evidence → failures → causes → conclusion → hints
"""
