"""What people read: the page of a run, the page of a comparison of scores, and numbers by name for a manuscript.

It may import every package but `execution` and `cli`. Begin with `page`.
"""
