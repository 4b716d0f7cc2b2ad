"""Where trials run: in this thread, in threads, in pools of processes."""
