"""ImageMap and labels -> numbers, one metric a file."""
