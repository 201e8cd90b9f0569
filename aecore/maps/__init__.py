"""Maps of the same images side by side: fitted, measured, aligned and cached."""
