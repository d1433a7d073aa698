"""The broker as a doorbell: names, the ring, and the broker that comes with the node."""
