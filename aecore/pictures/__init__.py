"""Convert arrays to image files and back; check whatever visitors upload."""
