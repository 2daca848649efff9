"""What `tools/fuzz.py` needs: the targets, the changes and the seeds."""
