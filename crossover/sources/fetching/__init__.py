"""Downloads of public cohorts, which only a user asks for: no module that a run imports may import this.

`registry` reads what is known of a cohort (`config/cohorts/`), `cohort` fetches one whole: `transfers` files, `buckets`
series of the Imaging Data Commons, `repositories` Git commits, and `archives` unpacks. `records` writes beside the data
what was accepted and what each file's SHA-256 is.
"""
