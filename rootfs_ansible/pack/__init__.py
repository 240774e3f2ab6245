"""From admitted fragments to an image: linked, packed, and in the form its reader wants."""
