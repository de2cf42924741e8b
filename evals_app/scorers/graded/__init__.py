"""What kinds share that ask a model for their verdict; each kind itself is a module of `scorers.kinds`."""
