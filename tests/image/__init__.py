"""The container image: built from the checkout without a registry, run as confined as it is meant to be."""
