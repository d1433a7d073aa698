"""The experiments of both papers: recipes, cross-validation, ablation, pre-training, noise, gradients."""
