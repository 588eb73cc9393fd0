"""What a plan is worth: coverage, QUESTS' measures, the error of a force field, beside other plans."""
