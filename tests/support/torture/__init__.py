"""A run that tries to break the promise: when the queue is empty, the store equals f(source).

* objects: what lies in S3, across the deaths of its server
* sources: the tables, their vectorizers, and f of each
* changes: the statements that writers pick from
* writers: sessions that change the tables at random
* disturbances: kills, restarts, faults
* verdict: what must hold when all is quiet
* run: all of it together

Every random decision stems from the run's seed; how the threads interleave does not.
"""
