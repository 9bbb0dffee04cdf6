"""The wire: messages, their encoding, and the sockets they travel on."""
