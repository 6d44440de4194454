"""The web UI: pages rendered on the server from what an admin API says, with small ES modules for life."""
