"""What one viewer has chosen, and the pictures and texts that follow from it. No Bokeh here."""
