"""The computer, not the subject: processes, threads, memory, devices, contents of files."""
