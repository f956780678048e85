"""The augmentation of a round: waves of further rollouts, graded as they come, until nobody wants or may have more."""
