"""From arrays to pictures, curves and colours; where rows and columns become x and y."""
