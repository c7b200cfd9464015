"""What we keep of each kind of object, and how an object is read."""
