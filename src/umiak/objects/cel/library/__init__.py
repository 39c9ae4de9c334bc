"""The functions of the environment, one subject per module; each exports `LIBRARY`."""
