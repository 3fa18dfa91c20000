"""Large maps: one function over many shards, on this machine, on Dask or on Ray; resumable.

Every finished shard is a sealed file and a row in SQL, so that a driver that was killed goes
on where it stood; no engine gives that by itself. ADR 56 says why.
"""
