"""What the commands of this folder share: recipes compared at equal compute, conditions that grow worse, curves."""
