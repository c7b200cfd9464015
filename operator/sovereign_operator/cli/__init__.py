"""``kubectl sovereign``: a command-line client that explains what the operator decides. It changes nothing.

It reads the cluster as the person who runs it may. Each command gathers objects (``gather``), has the core decide what
follows from them (``answers``, which are pure), and shows the answer (``show``).
"""
