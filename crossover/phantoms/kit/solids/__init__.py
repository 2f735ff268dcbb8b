"""Shapes as distances, painted softly on samples: what the phantoms of CT and T2-weighted MR share."""
