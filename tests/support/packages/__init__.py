"""The packages as strangers meet them, in root file systems that are made for it and go with it:

`root` makes such a system, `machine` is its Postgres, `extra` makes the packages that no archive has, `ways` are
what somebody does with ours, `demo` is the story that the compose file has told, and `measures` says what ours takes. `run` is
all of it.
"""
