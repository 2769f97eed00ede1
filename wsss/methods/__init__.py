"""What is made of depth and classifier: regions, crops, evidence, and their fusion."""
