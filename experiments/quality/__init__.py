"""Programs that compare the quality of restored pictures with other methods and rules."""
