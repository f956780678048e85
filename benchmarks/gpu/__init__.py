"""Training and evaluation of Llamas of random weights on a GPU, held against what preflight foretells.

Grain of what is measured: one case (cases.py), each in a process of its own, so that a peak of memory is that case's.
"""
