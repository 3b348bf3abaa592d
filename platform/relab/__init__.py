"""relab: hyperparameter search and ablation for relation-extraction training methods."""
