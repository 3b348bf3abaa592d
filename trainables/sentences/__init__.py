"""What classifiers of single sentences share: labelled sentences as tensors, batches, encoders."""
