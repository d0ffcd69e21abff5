"""Training, evaluation and the preparation of data. Nothing is imported with it: the trainer takes seconds."""
