"""What a page may ask of a running pipeline, and how each request is carried out."""
