"""What a check measures in the unit process, one file per subject: plain values, nothing judged.

Each `measure` answers with the values of its part as the check of that name reads them, None where there is
nothing to measure.
"""
