"""The packages as strangers meet them, in root file systems that are made for it and go with it:

`root` makes such a system, `machine` is its Postgres, `extra` makes the packages that no archive has, and `ways` are
what somebody does with ours. `run` is all of it.
"""
