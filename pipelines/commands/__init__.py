"""What the commands do; the modules beside this package only call them."""
