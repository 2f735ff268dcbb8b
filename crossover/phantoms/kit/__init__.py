"""What the phantoms of all anatomies share."""
