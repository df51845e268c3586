"""The life of a computation: asked for here, or asked of us; decided, charged, computed, guarded, released."""
