"""What a build is made of: the stack of an app, its options, its stages and their keys."""
