"""Typed values that the operator keeps of each kind of object, and the functions that read them from JSON.

Mirrors call these functions (``see_...``) for each object that they list or watch, so that a process keeps only the
fields on which decisions depend.
"""
