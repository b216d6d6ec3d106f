"""What the textbooks have: the forms that a discovery has to beat.

In: a target. Out: programs of Taylor, Pade, Chebyshev and minimax forms with their errors, and lines for
figures.
"""
