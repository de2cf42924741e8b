"""One module for each kind of scorer, or for kinds that share their code: a class here is registered by being here."""
