"""Who gets a round's further rollouts: strategies by name, one pure interface, a budget that is a hard bound."""
