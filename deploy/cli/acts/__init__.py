"""What a group of the command line does to what it lists: a module for each kind of act."""
