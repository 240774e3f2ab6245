"""Running things: the container engine's client and the playbook runner, and nobody else's."""
