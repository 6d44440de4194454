"""The gateway: what restate-server lacks for streams, in a process beside it.

On restate-server nothing keeps streams. So a virtual object of ours does (`stream_object`), which this
process serves, and to which handlers publish through the server's ingress. Towards clients it is that ingress
and more (`app`): streams as the embedded engine has them, and whatever else is asked is passed on unchanged.
"""
