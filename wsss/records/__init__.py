"""What is written down of a result."""
