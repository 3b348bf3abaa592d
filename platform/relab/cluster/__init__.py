"""A study on a cluster: what is sent there, the job that runs it, its results brought home."""
