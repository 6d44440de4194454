"""What invocations, journals, states and services say, read over an admin API: the embedded engine's or
restate-server's. For the web UI and the command line; neither HTML nor terminal is known here.
"""
