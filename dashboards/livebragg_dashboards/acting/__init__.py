"""What one viewer may ask the pipeline to do: orders, who may give them, and texts about them. No Bokeh here."""
