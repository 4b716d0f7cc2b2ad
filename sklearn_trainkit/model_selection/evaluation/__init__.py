"""What a trial is worth: its folds, how they are trained and scored, and the record of it."""
