"""What goes in: sources of images and the pixel store."""
