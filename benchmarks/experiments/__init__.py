"""Does difficulty-awareness help? The arms of design.yaml played in the built-in world, and what their numbers say."""
