"""The kinds of numbers a program runs on besides NumPy's: Arb balls, duals, float formats, a rounded fma.

In: nothing of this project. Out: number types and tables of their functions, for `Op.real` and
`Program.evaluate`.
"""
