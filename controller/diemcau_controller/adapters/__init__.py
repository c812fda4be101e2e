"""What the controller speaks to: MQTT broker, Janus, certificate authority."""
