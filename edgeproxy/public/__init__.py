"""The public listener: what browsers, shops' servers and load balancers may ask."""
