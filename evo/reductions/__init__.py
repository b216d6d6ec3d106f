"""Range reductions: from a core on a short interval to the function on all floats.

In: a core and a row that says which function. Out: steps over operations, which every export prints.
"""
